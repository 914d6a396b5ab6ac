"""`moa openwebui`: the files it writes, the settings it prints, what it sets up."""

import json
import re
from pathlib import Path

import pytest

import moakit
from tests.integrations.fake_openwebui import TOKEN, running
from tests.processes import moa

SOURCE = Path(moakit.__file__).parent / "integrations" / "openwebui_function.py"
ENSEMBLE = '[ensembles.panel]\nproposers = ["demo/planner"]\naggregator = "demo/editor"\n'
KEYED = f'{ENSEMBLE}[server]\nport = 7000\nkeys = ["${{MOA_SERVER_KEY}}"]\n'
URL = "http://127.0.0.1:6620/openwebui/v1"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "moa.toml").write_text(ENSEMBLE)
    return tmp_path


def test_both_forms_of_the_function_are_written_and_are_equal(home):
    done = moa("openwebui", "export", "--output", "out", home=home)
    assert done.returncode == 0
    assert done.stdout.split() == [
        str(Path("out/openwebui_function.py")), str(Path("out/openwebui_function.json")),
    ]  # fmt: skip
    source = (home / "out/openwebui_function.py").read_text(encoding="utf-8")
    (form,) = json.loads((home / "out/openwebui_function.json").read_text(encoding="utf-8"))
    assert form.keys() == {"id", "name", "content", "meta"}
    assert source == form["content"] == SOURCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["json", "py"])
def test_one_form_alone_goes_into_a_pipe(home, form):
    done = moa("openwebui", "export", "-o", "-", "--format", form, home=home)
    text = json.loads(done.stdout)[0]["content"] if form == "json" else done.stdout
    assert text == SOURCE.read_text(encoding="utf-8") and done.stderr == ""


def test_one_form_alone_is_one_file(home):
    moa("openwebui", "export", "--format", "json", home=home)
    assert sorted(file.name for file in home.glob("openwebui*")) == ["openwebui_function.json"]


def test_a_folder_that_cannot_be_written_is_one_line(home):
    (home / "file").write_text("")
    done = moa("openwebui", "export", "-o", "file", home=home)
    assert done.returncode == 2 and "cannot be written" in done.stderr


def test_the_settings_to_paste_are_printed(home):
    done = moa("openwebui", "connect", home=home)
    assert done.returncode == 0
    found = dict(re.findall(r"^(URL|Key|Headers) +(.+)$", done.stdout, re.MULTILINE))
    assert found["URL"] == URL
    assert json.loads(found["Headers"]) == {"X-MoA-Task": "{{TASK}}", "X-OpenWebUI-Chat-Id": "{{CHAT_ID}}"}
    environ = dict(re.findall(r"^      (\w+): (.+)$", done.stdout, re.MULTILINE))
    assert json.loads(environ["OPENAI_API_BASE_URLS"]) == URL
    assert json.loads(environ["OPENAI_API_KEYS"]) == found["Key"]
    assert json.loads(json.loads(environ["OPENAI_API_CONFIGS"]))["0"]["headers"] == json.loads(
        found["Headers"]
    )


def test_a_key_is_made_and_it_is_said_where_to_put_it(home):
    done = moa("openwebui", "connect", home=home)
    key = re.search(r"^Key +(moa-\S{32})$", done.stdout, re.MULTILINE)[1]
    assert f"MOA_SERVER_KEY={key}" in done.stderr and 'keys = ["${MOA_SERVER_KEY}"]' in done.stderr
    assert key not in moa("openwebui", "connect", home=home).stdout


def test_a_configuration_that_waits_for_its_key_gets_one(home):
    (home / "moa.toml").write_text(KEYED)
    done = moa("openwebui", "connect", home=home)
    assert done.returncode == 0, done.stderr
    key = re.search(r"^Key +(\S+)$", done.stdout, re.MULTILINE)[1]
    assert f"MOA_SERVER_KEY={key}" in done.stderr and "[server]" not in done.stderr
    assert "http://127.0.0.1:7000/openwebui/v1" in done.stdout


def test_a_key_that_is_set_is_used(home):
    (home / "moa.toml").write_text(KEYED)
    (home / ".env").write_text("MOA_SERVER_KEY=mine\n")
    done = moa("openwebui", "connect", home=home)
    assert re.search(r"^Key +mine$", done.stdout, re.MULTILINE) and "MOA_SERVER_KEY" not in done.stderr


def test_containers_are_told_of_the_right_name(home):
    done = moa("openwebui", "connect", home=home)
    assert "--host-name host.docker.internal" in done.stderr and "container itself" in done.stderr
    named = moa("openwebui", "connect", "--host-name", "host.docker.internal", home=home)
    assert "http://host.docker.internal:6620/openwebui/v1" in named.stdout
    assert "container itself" not in named.stderr


def test_a_running_open_webui_is_set_up_once(home):
    with running() as fake:
        given = ("openwebui", "connect", fake.url, "--token", TOKEN)
        first = moa(*given, home=home, MOA_SERVER_KEY="mine")
        assert first.returncode == 0 and "is set up" in first.stdout
        assert fake.config["OPENAI_API_BASE_URLS"] == ["https://api.openai.com/v1", URL]
        assert fake.config["OPENAI_API_KEYS"] == ["sk-theirs", "mine"]
        again = moa(*given, home=home, MOA_SERVER_KEY="mine")
        assert "as it should be already" in again.stdout
        assert fake.writes == ["/openai/config/update"]


def test_the_function_is_installed_there(home):
    with running() as fake:
        done = moa(
            "openwebui",
            "connect",
            fake.url,
            "--function",
            home=home,
            OPEN_WEBUI_TOKEN=TOKEN,
            MOA_SERVER_KEY="mine",
        )
        assert done.returncode == 0, done.stderr
        assert fake.functions["moakit"]["is_active"] is True
        assert fake.valves == {"BASE_URL": URL, "API_KEY": "mine"}
        assert fake.config["OPENAI_API_BASE_URLS"] == ["https://api.openai.com/v1"]


def test_a_server_that_open_webui_does_not_reach_is_a_warning(home):
    with running() as fake:
        fake.reaches_us = False
        done = moa("openwebui", "connect", fake.url, "--token", TOKEN, home=home)
    assert done.returncode == 0
    assert "does not reach" in done.stderr and "--host-name" in done.stderr


def test_a_refused_token_is_one_line_and_a_hint(home):
    with running() as fake:
        done = moa("openwebui", "connect", fake.url, "--token", "sk-wrong", home=home)
    assert done.returncode == 1 and done.stdout == ""
    assert "refuses the token" in done.stderr and "hint:" in done.stderr and "sk-wrong" not in done.stderr


@pytest.mark.parametrize("given", [("http://127.0.0.1:1",), ("--function",)])
def test_what_is_missing_is_asked_for(home, given):
    done = moa("openwebui", "connect", *given, home=home)
    assert done.returncode == 2 and "error:" in done.stderr


def test_help_names_both_commands(home):
    done = moa("openwebui", "--help", home=home)
    assert "connect" in done.stdout and "export" in done.stdout
