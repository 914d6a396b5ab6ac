"""A cap on calls at once: cut by a 429, raised by successes, lifted in the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.adaptive import QUIET, Adaptive


def cut(in_flight, now=0.0):
    adaptive = Adaptive()
    adaptive.refused(0, in_flight, now)
    return adaptive


def test_there_is_no_cap_by_default():
    adaptive = Adaptive()
    adaptive.succeeded(0)
    assert adaptive.cap is None and not adaptive.full(10**6, 0)


@pytest.mark.parametrize(("in_flight", "cap"), [(1, 1), (2, 1), (3, 2), (10, 7), (100, 70)])
def test_a_429_leaves_a_part_of_the_calls_in_flight(in_flight, cap):
    adaptive = cut(in_flight)
    assert adaptive.cap == cap
    assert not adaptive.full(cap - 1, 0) and adaptive.full(cap, 0)


def test_calls_begun_before_the_cut_do_not_cut_again():
    adaptive = cut(10)
    for in_flight in range(9, 0, -1):
        adaptive.refused(0, in_flight, 0)
    assert adaptive.cap == 7 and adaptive.cuts == 1


def test_a_call_begun_since_cuts_again():
    adaptive = cut(10)
    adaptive.refused(1, 7, 0)
    assert adaptive.cap == 4 and adaptive.cuts == 2


def test_calls_begun_before_the_cut_do_not_raise_the_cap():
    adaptive = cut(10)
    adaptive.succeeded(0)
    assert adaptive.cap == 7


def test_a_round_of_successes_raises_the_cap_by_one():
    adaptive = cut(10)
    for _ in range(6):
        adaptive.succeeded(1)
    assert adaptive.cap == 7
    adaptive.succeeded(1)
    assert adaptive.cap == 8


@given(st.integers(1, 200))
def test_successes_lift_the_cap_well_beyond_what_was_in_flight(in_flight):
    adaptive = cut(in_flight)
    highest = successes = 0
    while adaptive.cap is not None:
        highest = adaptive.cap
        adaptive.succeeded(1)
        successes += 1
    assert highest > max(in_flight * 1.9, in_flight + 2)
    # Slowly: each step up took as many successes as there were calls at once.
    assert successes >= (highest**2 - in_flight**2) / 2


def test_a_minute_without_a_429_lifts_the_cap():
    adaptive = cut(10, now=5)
    assert adaptive.full(7, 5 + QUIET - 0.1)
    adaptive.refused(0, 3, 30)  # a late one of before the cut: it does not cut, but it is a 429
    assert adaptive.lifted_at == 30 + QUIET
    assert adaptive.full(7, 29 + QUIET)
    assert not adaptive.full(7, 30 + QUIET) and adaptive.cap is None


def test_after_it_was_lifted_the_next_429_cuts():
    adaptive = cut(10)
    assert not adaptive.full(50, QUIET)
    adaptive.refused(adaptive.cuts, 50, QUIET)
    assert adaptive.cap == 35
