"""The circuit breaker: when it opens, whom it refuses, when it probes."""

import itertools

import pytest

from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    ModelTimeout,
    RateLimited,
)
from moakit.policies.breaker import LONGEST, OPEN, Breaker

DOWN = BadResponse("HTTP 503: overloaded", model="lab/a", status=503)


def broken(limit=5, error=DOWN, now=0.0):
    breaker = Breaker(limit)
    for _ in range(limit):
        assert breaker.refusal(now) is None
        breaker.failed(error, now)
    return breaker


def test_it_opens_after_that_many_failures_in_a_row():
    breaker = Breaker(3)
    for _ in range(2):
        breaker.failed(DOWN, 0.0)
    assert not breaker.open
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(DOWN, 0.0)
    assert not breaker.open
    breaker.failed(DOWN, 0.0)
    assert breaker.open


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("slow down", status=429),
        ConnectionFailed("refused"),
        ModelTimeout("silent", timer="total"),
        BadResponse("cut"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_by_itself_opens_it(error):
    assert broken(error=error).open


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("no", status=401),
        ContextTooLong("long", status=400),
        ContentFiltered("no", status=400),
        BadResponse("HTTP 400", status=400),
        BadResponse("the model gave an empty answer", should_retry=False),
    ],
    ids=str,
)
def test_a_request_that_is_wrong_says_nothing_about_the_model(error):
    breaker = Breaker(2)
    for _ in range(10):
        breaker.failed(error, 0.0)
    assert not breaker.open


def test_a_refusal_is_the_last_error_with_the_time_of_the_next_probe():
    refusal = broken().refusal(0.1)
    assert type(refusal) is BadResponse
    assert (refusal.model, refusal.status, refusal.code, refusal.should_retry) == ("lab/a", 503, OPEN, False)
    assert "failed 5 times in a row" in refusal.message
    assert "HTTP 503: overloaded" in refusal.message
    assert 0.6 < refusal.retry_after <= 0.9
    assert DOWN.message == "HTTP 503: overloaded"
    assert DOWN.retry_after is None


def test_one_probe_at_a_time():
    breaker = broken()
    assert breaker.refusal(0.5) is not None
    assert breaker.refusal(1.0) is None
    assert breaker.refusal(1.0) is not None
    breaker.succeeded()
    assert breaker.refusal(1.0) is None
    assert not breaker.open


def test_a_probe_that_never_ends_does_not_hold_up_the_next():
    breaker = broken()
    assert breaker.refusal(1.0) is None
    assert breaker.refusal(1.0 + LONGEST - 0.1) is not None
    assert breaker.refusal(1.0 + LONGEST) is None


def test_probes_are_never_further_apart_than_five_seconds():
    breaker, now, probes = broken(), 0.0, []
    while now < 60:
        if breaker.refusal(now) is None:
            probes.append(now)
            breaker.failed(DOWN, now)
        now += 0.05
    gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
    assert max(gaps) < 5
    assert len(probes) < 60 / 2.5


def test_what_the_provider_asks_for_is_waited_for():
    breaker = broken(error=RateLimited("slow down", status=429, retry_after=30))
    assert breaker.refusal(29.9) is not None
    assert breaker.refusal(30.0) is None


def test_a_day_is_not_waited_for():
    assert broken(error=RateLimited("slow down", status=429, retry_after=86400)).refusal(121) is None


def test_zero_never_opens_it():
    breaker = Breaker(0)
    for _ in range(100):
        breaker.failed(DOWN, 0.0)
    assert breaker.refusal(0.0) is None
