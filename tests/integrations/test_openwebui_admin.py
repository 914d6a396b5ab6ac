"""Setting up a running Open WebUI: adding, not replacing, and doing nothing twice."""

from collections.abc import Iterator

import pytest

from moakit.errors import MoaError, UserError
from moakit.integrations.openwebui_admin import HEADERS, OpenWebUI, function_form, function_source
from tests.integrations.fake_openwebui import TOKEN, FakeOpenWebUI, running

OURS = "http://127.0.0.1:6620/openwebui/v1"


@pytest.fixture
def fake() -> Iterator[FakeOpenWebUI]:
    with running() as found:
        yield found


@pytest.fixture
def there(fake) -> OpenWebUI:
    return OpenWebUI(fake.url, TOKEN)


def test_a_connection_is_added_to_those_there_are(fake, there):
    assert there.connect(OURS, "key") is True
    assert fake.config == {
        "ENABLE_OPENAI_API": True,
        "OPENAI_API_BASE_URLS": ["https://api.openai.com/v1", OURS],
        "OPENAI_API_KEYS": ["sk-theirs", "key"],
        "OPENAI_API_CONFIGS": {
            "0": {"enable": True, "tags": ["x"]},
            "1": {
                "enable": True,
                "headers": {"X-MoA-Task": "{{TASK}}", "X-OpenWebUI-Chat-Id": "{{CHAT_ID}}"},
            },
        },
    }


def test_a_second_time_changes_nothing(fake, there):
    there.connect(OURS, "key")
    assert there.connect(f"{OURS}/", "key") is False
    assert fake.writes == ["/openai/config/update"]


def test_a_new_key_is_put_where_the_old_one_was(fake, there):
    there.connect(OURS, "old")
    fake.config["OPENAI_API_CONFIGS"]["1"] |= {"prefix_id": "moa", "headers": {"X-Mine": "1"}}
    assert there.connect(OURS, "new") is True
    assert fake.config["OPENAI_API_KEYS"] == ["sk-theirs", "new"]
    own = fake.config["OPENAI_API_CONFIGS"]["1"]
    assert own["prefix_id"] == "moa" and own["headers"] == {"X-Mine": "1", **HEADERS}


def test_keys_that_are_missing_there_stay_missing(fake, there):
    fake.config |= {"OPENAI_API_BASE_URLS": ["http://a/v1", "http://b/v1"], "OPENAI_API_KEYS": ["a"]}
    there.connect(OURS, "key")
    assert fake.config["OPENAI_API_KEYS"] == ["a", "", "key"]


def test_the_function_is_installed_with_its_valves_and_turned_on(fake, there):
    assert there.install({"BASE_URL": OURS, "API_KEY": "key"}) is True
    function = fake.functions["moakit"]
    assert function["is_active"] is True and function["content"] == function_source()
    assert fake.valves == {"BASE_URL": OURS, "API_KEY": "key"}


def test_an_installed_function_is_left_as_it_is(fake, there):
    there.install({"BASE_URL": OURS, "API_KEY": "key"})
    writes = len(fake.writes)
    assert there.install({"BASE_URL": OURS, "API_KEY": "key"}) is False
    assert len(fake.writes) == writes


def test_an_older_function_is_brought_up_to_date_and_keeps_its_other_valves(fake, there):
    there.install({"BASE_URL": OURS, "API_KEY": "old"})
    fake.functions["moakit"] |= {"content": "older", "is_active": False}
    fake.valves["TIMEOUT"] = 5
    assert there.install({"BASE_URL": OURS, "API_KEY": "new"}) is True
    assert fake.functions["moakit"]["content"] == function_source()
    assert fake.functions["moakit"]["is_active"] is True
    assert fake.valves == {"BASE_URL": OURS, "API_KEY": "new", "TIMEOUT": 5}


def test_it_is_told_whether_open_webui_reaches_the_server(fake, there):
    assert there.reaches(OURS, "key") is None
    fake.reaches_us = False
    assert "Server Connection Error" in there.reaches(OURS, "key")


def test_a_refused_token_says_so_and_is_not_shown(fake):
    there = OpenWebUI(fake.url, "sk-wrong")
    with pytest.raises(MoaError, match="refuses the token") as caught:
        there.connect(OURS, "key")
    assert "administrator" in caught.value.hint
    assert "sk-wrong" not in f"{caught.value} {there!r}" and fake.writes == []


def test_a_redirect_does_not_take_the_token_along(fake):
    with pytest.raises(MoaError, match=r"leads on to http://other\.example/"):
        OpenWebUI(f"{fake.url}/elsewhere", TOKEN).connect(OURS, "key")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"])
def test_an_open_webui_that_is_not_there_is_an_error(url):
    with pytest.raises(MoaError, match="no Open WebUI answers"):
        OpenWebUI(url, TOKEN).connect(OURS, "key")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:8080", "ftp://x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UserError, match="is not an address"):
        OpenWebUI(url, TOKEN)


def test_a_token_cannot_carry_another_header():
    with pytest.raises(UserError):
        OpenWebUI("http://127.0.0.1:1", "a\r\nX-Other: b")


def test_the_form_says_what_the_front_matter_says():
    form = function_form()
    assert set(form) == {"id", "name", "content", "meta"} and form["id"].isidentifier()
    assert form["meta"]["description"] == form["meta"]["manifest"]["description"]
