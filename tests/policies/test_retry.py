"""When a failed attempt is repeated, and after how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    ModelTimeout,
    RateLimited,
)
from moakit.policies.retry import PATIENCE, retryable, wait_before

AGAIN = (408, 409, 425, 500, 501, 502, 503, 504, 520, 521, 529, 599)
FOR_GOOD = (302, 400, 402, 404, 405, 413, 422, 451)
TABLE = [
    (RateLimited("", status=429), True),
    (ConnectionFailed(""), True),
    (BadResponse("cut"), True),
    *((BadResponse("", status=status), True) for status in AGAIN),
    *((BadResponse("", status=status), False) for status in FOR_GOOD),
    (AuthenticationFailed("", status=401), False),
    (ContextTooLong("", status=400), False),
    (ContextTooLong("", status=400, should_retry=True), False),
    (ContentFiltered("", status=400), False),
    (ContentFiltered(""), False),
    (ModelTimeout("", timer="connect"), True),
    (ModelTimeout("", timer="first_token"), False),
    (ModelTimeout("", timer="idle"), False),
    (ModelTimeout("", timer="total"), False),
    (RateLimited("", status=429, should_retry=False), False),
    (BadResponse("", status=503, should_retry=False), False),
    (BadResponse("", should_retry=False), False),
    (BadResponse("", status=400, should_retry=True), True),
]
WAITS = st.none() | st.floats(0, 1000)


@pytest.mark.parametrize(
    ("error", "answer"),
    TABLE,
    ids=[f"{type(e).__name__}-{e.status or ''}-{n}" for n, (e, _) in enumerate(TABLE)],
)
def test_what_is_repeated(error, answer):
    assert retryable(error) is answer
    assert (wait_before(error, 1, retries=2, remaining=100) is not None) is answer


@pytest.mark.parametrize(
    ("attempts", "low", "high"), [(1, 0.375, 0.5), (2, 0.75, 1), (3, 1.5, 2), (9, 6, 8), (5000, 6, 8)]
)
def test_waits_double_to_eight_seconds_with_jitter(attempts, low, high):
    waits = [wait_before(RateLimited(""), attempts, retries=9999, remaining=100) for _ in range(50)]
    assert low <= min(waits) < max(waits) <= high


@pytest.mark.parametrize(("retries", "waits"), [(0, 0), (1, 1), (2, 2)])
def test_there_are_only_so_many_attempts(retries, waits):
    found = [wait_before(RateLimited(""), made, retries=retries, remaining=100) for made in range(1, 6)]
    assert [wait is not None for wait in found] == [True] * waits + [False] * (5 - waits)


def test_a_longer_retry_after_is_kept_to_with_jitter_upwards():
    error = RateLimited("", retry_after=10.0)
    waits = [wait_before(error, 1, retries=2, remaining=100) for _ in range(50)]
    assert 10 <= min(waits) < max(waits) <= 11


def test_a_shorter_retry_after_does_not_shorten_the_wait():
    assert wait_before(RateLimited("", retry_after=0.0), 1, retries=2, remaining=100) >= 0.375


def test_a_retry_after_of_minutes_is_not_waited_for():
    assert wait_before(RateLimited("", retry_after=PATIENCE + 1), 1, retries=2, remaining=1000) is None


def test_a_wait_beyond_the_deadline_is_no_wait():
    assert wait_before(RateLimited("", retry_after=5.0), 1, retries=2, remaining=4) is None
    assert wait_before(RateLimited(""), 1, retries=2, remaining=0.3) is None


@pytest.mark.parametrize("retries", [0, 2])
def test_a_connection_closed_as_it_was_reused_is_tried_again_at_once(retries):
    assert wait_before(ConnectionFailed("", reused=True), 1, retries=retries, remaining=100) == 0


def test_only_the_first_attempt_is_tried_again_at_once():
    assert wait_before(ConnectionFailed("", reused=True), 2, retries=2, remaining=100) > 0
    assert wait_before(ConnectionFailed("", reused=True), 2, retries=1, remaining=100) is None


def test_after_the_deadline_nothing_is_tried_again():
    assert wait_before(ConnectionFailed("", reused=True), 1, retries=2, remaining=0) is None


@given(
    st.sampled_from([error for error, _ in TABLE]),
    WAITS,
    st.integers(1, 5000),
    st.integers(0, 5000),
    st.floats(-10, 1000),
)
def test_a_wait_is_at_least_what_was_asked_for_and_within_the_time_left(
    error, retry_after, attempts, retries, remaining
):
    error.retry_after = retry_after
    wait = wait_before(error, attempts, retries=retries, remaining=remaining)
    if wait is not None:
        assert 0 < wait < remaining
        assert attempts <= retries
        assert (retry_after or 0) <= wait
        assert (retry_after or 0) <= PATIENCE
