"""Never more than the limit in any 60 seconds, and no waiting for longer than that takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.windows import MINUTE, Window

PAUSES = st.one_of(st.just(0.0), st.floats(0, 100, allow_subnormal=False))


def test_a_window_has_room_for_its_limit():
    window = Window(3)
    for at in (0, 10, 10):
        assert window.free_at(1, at) == at
        window.take(1, at)
    assert window.free_at(1, 20) == MINUTE
    assert window.free_at(2, 20) == MINUTE + 10
    assert window.free_at(1, MINUTE) == MINUTE


def test_more_than_the_limit_fits_into_an_empty_window():
    window = Window(3)
    assert window.free_at(10, 0) == 0
    window.take(10, 0)
    assert window.free_at(1, 10) == MINUTE
    assert window.free_at(10, MINUTE) == MINUTE


def test_a_limit_below_one_is_one_in_more_than_a_minute():
    window = Window(0.5)
    window.take(1, 0)
    assert window.free_at(1, MINUTE) == 2 * MINUTE


def test_a_settled_amount_counts_as_what_it_was():
    window = Window(100)
    entry = window.take(90, 0, estimate=True)
    assert window.free_at(20, 0) > 0
    entry.settle(30)
    assert window.free_at(70, 0) == 0
    assert window.free_at(71, 0) > 0


def test_what_was_settled_to_nothing_is_no_use_of_the_window():
    window = Window(100)
    window.take(100, 0).settle(0)
    assert window.free_at(500, 0) == 0


def test_an_amount_settled_late_does_not_count_twice():
    window = Window(100)
    entry = window.take(90, 0, estimate=True)
    assert window.free_at(100, MINUTE) == MINUTE
    entry.settle(30)
    window.take(100, MINUTE)
    assert window.free_at(1, MINUTE) == 2 * MINUTE
    assert window.free_at(100, 2 * MINUTE) == 2 * MINUTE


def test_what_an_estimate_turns_out_to_be_is_not_certain():
    window = Window(100)
    entry = window.take(90, 0, estimate=True)
    assert window.free_at(20, 1) == MINUTE and window.certain(20, 1) == 1
    entry.settle(90)
    assert window.certain(20, 1) == MINUTE


def test_an_estimate_whose_minute_is_over_is_forgotten():
    window = Window(100)
    window.take(90, 0, estimate=True)
    window.take(60, MINUTE).settle(60)
    assert window.certain(41, MINUTE) == 2 * MINUTE and window.certain(40, MINUTE) == MINUTE


@pytest.mark.parametrize(("before", "minutes"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (400, 200)])
def test_those_before_fill_minutes(before, minutes):
    assert Window(2).certain(1, 0, before) == minutes * MINUTE


@given(limit=st.integers(1, 6), pauses=st.lists(PAUSES, max_size=40))
def test_never_more_requests_than_the_limit_in_any_minute(limit, pauses):
    window = Window(limit)
    now, taken = 0.0, []
    for pause in pauses:
        now += pause
        when = window.free_at(1, now)
        # Waiting until then is needed, and enough.
        assert (when > now) == (sum(at + MINUTE > now for at in taken) >= limit)
        now = when
        assert window.free_at(1, now) == now
        window.take(1, now)
        taken.append(now)
    for at in taken:
        assert sum(at <= other < at + MINUTE for other in taken) <= limit


@given(
    limit=st.integers(1, 1000),
    calls=st.lists(st.tuples(PAUSES, st.integers(0, 1500), st.integers(0, 1000)), max_size=40),
)
def test_never_more_tokens_than_the_limit_in_any_minute(limit, calls):
    window = Window(limit)
    now, taken = 0.0, []
    for pause, expected, used in calls:
        now = window.free_at(expected, now + pause)
        # A call above the limit is let through, alone.
        alone = all(amount == 0 or at + MINUTE <= now for at, amount in taken)
        assert alone or expected + sum(amount for at, amount in taken if at + MINUTE > now) <= limit
        # No call takes more than was expected of it here, so that the limit holds for what was used, too.
        taken.append((now, min(expected, used)))
        window.take(expected, now, estimate=True).settle(taken[-1][1])


@given(
    limit=st.integers(1, 5),
    earlier=st.lists(PAUSES, max_size=12),
    pause=PAUSES,
    before=st.integers(0, 20),
)
def test_what_is_certain_is_when_those_before_are_through(limit, earlier, pause, before):
    window = Window(limit)
    now = 0.0
    for gap in earlier:
        now = window.free_at(1, now + gap)
        window.take(1, now)
    now += pause
    certain = window.certain(1, now, before)
    for _ in range(before + 1):
        now = window.free_at(1, now)
        window.take(1, now)
    assert now == pytest.approx(certain)


@pytest.mark.parametrize("amount", [10**400, 1e308, 10**13])
def test_an_absurd_amount_is_one_call_and_is_forgotten(amount):
    window = Window(100)
    window.take(amount, 0, estimate=True)
    window.take(amount, 0, estimate=True).settle(10)
    assert window.free_at(amount, 1) == MINUTE
    assert window.free_at(100, 2 * MINUTE) == 2 * MINUTE
