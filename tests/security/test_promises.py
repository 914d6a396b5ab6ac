"""SECURITY.md says what the code does: its figures, its addresses, the places it names."""

import re
from pathlib import Path

import pytest

from moakit.models import fields, openai, secrets, sse
from moakit.models.providers import Endpoint
from moakit.server.access import OPEN

ROOT = Path(__file__).parents[2]
TEXT = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "said",
    [
        f"An answer is taken up to {openai.ANSWER_LIMIT >> 20} MiB and {fields.MANY // 10**6} million values",
        f"an event up to {sse.LIMIT >> 20} MiB",
        f"a stream up to {openai.STREAM_LIMIT >> 20} MiB",
        f"an error up to {openai.REFUSAL_LIMIT >> 10} KiB",
        f"at most {fields.PLACES:,} choices or tool calls",
        "every address but `/livez` and `/readyz`",
    ],
)
def test_a_figure_is_the_codes_own(said):
    assert said in TEXT


def test_the_open_addresses_are_those_that_are_named():
    assert set(re.findall(r"`(/\w+)`", TEXT)) == OPEN


def test_a_header_is_secret_from_the_length_that_is_promised():
    headers = {"a": "Token Zq7Kp2vX", "b": "Lm4Wt8b"}
    hidden = secrets.secrets_of(Endpoint(name="lab", base_url="http://h/v1", headers=headers), None)
    assert hidden.hidden_in("said Zq7Kp2vX, Token and Lm4Wt8b") == "said ***, Token and Lm4Wt8b"
    assert "no word of eight characters or more in a provider's `headers`" in TEXT


def test_the_places_it_names_are_there():
    for place in re.findall(r"`([\w/]+/)`|`(\w+/\*\.txt)`", TEXT):
        assert list(ROOT.glob("".join(place))), place
