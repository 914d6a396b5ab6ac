"""`${VARIABLE}`: filled in from the environment, and never quietly left empty."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moakit.config.checks import interpolated
from moakit.errors import ConfigError
from tests.config.making import config, refusal


def test_a_variable_may_stand_anywhere_in_a_string_and_in_every_table():
    made = config(
        """
        [providers.lab]
        base_url = "http://${HOST}:${PORT}/v1"
        headers = { X-Both = "${HOST}-${PORT}" }
        [ensembles.x]
        proposers = [{ model = "lab/${MODEL}", system = "You are ${NAME}." }]
        aggregator = "lab/lead"
        description = "for ${NAME}"
        [server]
        host = "${HOST}"
        """,
        HOST="127.0.0.1", PORT="8080", MODEL="gemma", NAME="Mina",
    )  # fmt: skip
    endpoint = made.endpoints["lab"]
    assert endpoint.base_url == "http://127.0.0.1:8080/v1"
    assert endpoint.headers == {"X-Both": "127.0.0.1-8080"}
    assert made["x"]["0.0"].model == "lab/gemma" and made["x"]["0.0"].system == "You are Mina."
    assert made["x"].description == "for Mina" and made.server.host == "127.0.0.1"


TOML = {
    "server.keys[1]": '[server]\nkeys = ["fixed", "${THE_KEY}"]',
    "providers.lab.api_key": '[providers.lab]\nbase_url = "http://x/v1"\napi_key = "${THE_KEY}"',
    "providers.lab.headers.X": '[providers.lab]\nbase_url = "http://x/v1"\nheaders = { X = "${THE_KEY}" }',
    "ensembles.x.model": '[ensembles.x]\nmodel = "demo/${THE_KEY}"',
}


@pytest.mark.parametrize(("path", "toml"), TOML.items())
def test_an_unset_variable_is_an_error_at_start(path, toml):
    assert refusal(toml) == (
        f"{path}: ${{THE_KEY}} is not set",
        "set THE_KEY in the environment or in .env",
    )


@pytest.mark.parametrize(("path", "toml"), TOML.items())
def test_an_empty_variable_is_an_error_at_start(path, toml):
    assert refusal(toml, THE_KEY="")[0] == f"{path}: ${{THE_KEY}} is empty"


@pytest.mark.parametrize("text", ["${THE-KEY}", "${THE_KEY:-default}", "${}", "${ THE_KEY }", "${THE_KEY"])
def test_what_is_not_a_variables_name_is_refused_and_never_taken_literally(text):
    message, hint = refusal(f'[server]\nkeys = ["{text}"]', THE_KEY="secret")
    assert message.startswith("server.keys[0]: ") and text in message
    assert "${NAME}" in hint


def test_a_dollar_sign_alone_is_a_dollar_sign():
    made = config('[ensembles.x]\nmodel = "demo/planner"\nsystem = "It costs $5, {not} $HOME."\n')
    assert made["x"].system == "It costs $5, {not} $HOME."


def test_a_doubled_dollar_sign_keeps_the_braces():
    made = config('[ensembles.x]\nmodel = "demo/planner"\nsystem = "$${A} and $${a.b} and ${A}"\n', A="1")
    assert made["x"].system == "${A} and ${a.b} and 1"


def test_what_is_filled_in_is_not_filled_in_again():
    made = config('[ensembles.x]\nmodel = "demo/planner"\nsystem = "${A}"\n', A="${B}", B="no")
    assert made["x"].system == "${B}"


PIECES = st.lists(
    st.sampled_from(["${A}", "${GONE}", "${EMPTY}", "$${", "${", "$", "}", "{", "A", "\n", "é", "${A-b}"])
)
ENVIRON = {"A": "${A}$", "EMPTY": ""}


@given(PIECES)
def test_any_text_is_filled_in_whole_or_refused(pieces):
    text = "".join(pieces)
    try:
        filled = interpolated({"x": [text]}, ENVIRON, "here")["x"][0]
    except ConfigError as error:
        assert error.message.startswith("here.x[0]: ${") and error.hint  # noqa: PT017 - either way is right
    else:
        # Nothing was left empty, nothing taken literally, and nothing else changed.
        plain = text.replace("$${", "\0").replace("${A}", ENVIRON["A"]).replace("\0", "${")
        assert filled == plain


@given(st.text(alphabet="${}A é\n", max_size=30))
def test_what_is_escaped_stays_as_it_was(text):
    escaped = text.replace("${", "$${")
    assume("$$${" not in escaped)
    assert interpolated(escaped, {}, "here") == text
