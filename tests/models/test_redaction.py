"""Keys do not come back in what providers say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.models.failures import excerpt, from_error, from_status, redact

KEY = "k3y/of+the=lab.0123456789"
TEXTS = st.text(alphabet="ab \n.k3", max_size=30)


@given(TEXTS, TEXTS)
def test_the_key_in_use_never_comes_back(before, after):
    assert KEY not in redact(f"{before}{KEY}{after}", KEY)


@given(st.integers(0, 5000))
def test_no_part_of_the_key_is_left_where_a_text_is_cut(size):
    shown = excerpt(b"<" + b"-" * size + KEY.encode() + b"y" * 5000, KEY)
    assert KEY[:8] not in shown and len(shown) <= 100


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefgh12345678",
        "sk-proj-Ab_c-dEf12345678",
        "sk-ab***yz",
        "gsk_abcdefgh12345678",
        "hf_abcdefgh12345678",
        "xai-abcdefgh12345678",
        "csk-abcdefgh12345678",
        "ghp_abcdefgh12345678",
        "github_pat_abcdefgh12345678",
        "AIzaabcdefgh12345678",
        "Bearer abcdefgh",
        "bearer   abcdefgh",
    ],
)
def test_what_looks_like_a_key_does_not_come_back(secret):
    assert redact(f"Incorrect API key provided: {secret}.", None) in (
        "Incorrect API key provided: ***.",
        "Incorrect API key provided: ***",
    )


@pytest.mark.parametrize("text", ["the model is unknown", "token bearer", "task-12", "risk-free decisions"])
def test_other_words_stay(text):
    assert redact(text, None) == text


@pytest.mark.parametrize("key", ["ollama", "none", "k"])
def test_a_key_that_is_a_word_leaves_other_words_alone(key):
    assert redact(f"{key}: noneone ollamas key", key) == "***: noneone ollamas key"


def test_an_empty_key_hides_nothing():
    assert redact("as it is", "") == "as it is"


def test_blanks_are_folded_and_long_texts_shortened():
    assert redact("a \n\n b", None) == "a b"
    assert len(redact("x" * 99_999, None)) == 300


@given(st.integers(1960, 2010), st.sampled_from([b" ", b"\n"]))
def test_no_part_of_the_key_is_left_where_blanks_are_folded(size, blank):
    body = b"<" + blank * size + KEY.encode() + b"y" * 5000
    told = from_status(500, {}, body, model="m", key=KEY, key_variable=None)
    for shown in (excerpt(body, KEY), str(told)):
        assert KEY[:8] not in shown


@given(st.text(alphabet="ab \n.sk-_*Bearer", max_size=60))
def test_what_was_redacted_stays_as_it_is(text):
    shown = redact(text, KEY)
    assert redact(shown, KEY) == shown


@pytest.mark.parametrize("error", [{"code": f"no {KEY}"}, {"type": KEY}, {"code": {"key": KEY}}])
def test_the_key_in_use_is_no_code(error):
    body = json.dumps({"error": {"message": "no", **error}}).encode()
    for told in (
        from_status(400, {}, body, model="m", key=KEY, key_variable=None),
        from_error({"message": "no", **error}, model="m", key=KEY),
    ):
        assert KEY not in f"{told} {told.code}"
