"""Seconds, tokens and dollars as people read them."""

import pytest

from moakit.observe import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0 s"), (1.26, "1.3 s"), (89.9, "89.9 s"), (90, "1 min 30 s"), (605.4, "10 min 5 s")],
)
def test_seconds(value, text):
    assert figures.seconds(value) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 tokens"), (1, "1 token"), (12_345, "12,345 tokens")])
def test_tokens(count, text):
    assert figures.tokens(count) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "cost unknown"),
        (0, "$0"),
        (12.345, "$12.35"),
        (0.1234, "$0.1234"),
        (0.00125, "$0.0013"),
        (0.000123, "$0.000123"),
        (0.0001, "$0.0001"),
        (0.0000001, "$0.0000001"),
        (1.23e-9, "$0.00000000123"),
    ],
)
def test_dollars(cost, text):
    assert figures.dollars(cost) == text
