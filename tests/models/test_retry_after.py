"""How long a provider asks to wait."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from moakit.models.failures import retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_seconds_and_milliseconds(headers, seconds):
    assert retry_after(headers) == retry_after(CIMultiDict(headers)) == seconds


def test_a_date_ahead():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 28 < retry_after({"Retry-After": date}) <= 30


def test_a_date_that_has_passed_is_no_wait():
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d+ [\d:]+ [-+A-Z0-9]*"))
def test_any_header_is_a_wait_or_none(value):
    seconds = retry_after({"Retry-After": value, "retry-after-ms": value})
    assert seconds is None or 0 <= seconds < float("inf")
