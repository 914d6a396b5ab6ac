"""A budget: what is reserved, settled and released, in which period, and what is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from moakit import BudgetExceeded, ConfigError, MoA
from moakit.policies.budget import Budget, Limits, limits_from

TOKENS = st.integers(0, 400)
DOLLARS = st.integers(0, 400).map(lambda cents: cents / 1000)


class Spending(RuleBasedStateMachine):
    """A budget beside plain sums of what it was told."""

    reservations = Bundle("reservations")

    def __init__(self):
        super().__init__()
        self.budget = Budget(Limits(1000, 1.0))
        self.open = {}
        self.tokens = self.millis = 0

    @rule(target=reservations, tokens=TOKENS, dollars=DOLLARS)
    def reserve(self, tokens, dollars):
        millis = round(dollars * 1000)
        fits = (
            self.tokens + sum(one for one, _ in self.open.values()) + tokens <= 1000
            and self.millis + sum(one for _, one in self.open.values()) + millis <= 1000
        )
        try:
            reservation = self.budget.reserve(tokens, dollars)
        except BudgetExceeded:
            assert not fits
            return None
        assert fits
        self.open[reservation] = (tokens, millis)
        return reservation

    @rule(reservation=consumes(reservations), tokens=TOKENS | st.none(), dollars=DOLLARS | st.none())
    def settle(self, reservation, tokens, dollars):
        if reservation is not None:
            reservation.settle(tokens, dollars)
            held = self.open.pop(reservation)
            self.tokens += held[0] if tokens is None else tokens
            self.millis += held[1] if dollars is None else round(dollars * 1000)
            reservation.release()
            reservation.settle(1, 1)

    @rule(reservation=consumes(reservations))
    def release(self, reservation):
        if reservation is not None:
            reservation.release()
            del self.open[reservation]
            reservation.settle()

    @invariant()
    def it_counts_to_the_last_digit(self):
        assert self.budget.spent == (self.tokens, self.millis / 1000)
        held = self.open.values()
        assert self.budget.reserved == (sum(one for one, _ in held), sum(one for _, one in held) / 1000)


TestSpending = Spending.TestCase


def test_what_fits_exactly_is_given_and_one_more_is_not():
    budget = Budget(Limits(30), name="the budget of 'panel'")
    for _ in range(3):
        budget.reserve(10)
    with pytest.raises(BudgetExceeded) as caught:
        budget.reserve(1, what="lab/x")
    assert caught.value.message == (
        "the budget of 'panel' of 30 tokens is reached: 1 asked for lab/x, 0 spent, 30 reserved"
    )
    assert caught.value.hint == "raise the budget, or lower max_tokens" and not caught.value.shared


def test_dollars_that_no_float_can_hold_fit_as_often_as_they_should():
    budget = Budget(Limits(dollars=20 * 1.1e-5))
    made = [budget.reserve(0, 1.1e-5) for _ in range(20)]
    with pytest.raises(BudgetExceeded, match=r"of 0\.00022 dollars is reached: 0\.000011 asked, "):
        budget.reserve(0, 1.1e-5)
    for reservation in made:
        reservation.release()
    assert budget.reserved == (0, 0.0) == budget.spent


def test_more_than_was_reserved_is_counted_and_the_next_is_refused():
    budget = Budget(Limits(100))
    budget.reserve(50).settle(130)
    assert budget.spent.tokens == 130
    with pytest.raises(BudgetExceeded, match="1 asked, 130 spent"):
        budget.reserve(1)


def test_what_could_never_fit_is_told_so():
    with pytest.raises(BudgetExceeded, match="this alone may take more than all of it"):
        Budget(Limits(10)).reserve(11)


def test_dollars_without_a_price_are_the_users_mistake():
    with pytest.raises(ConfigError, match="the price of lab/x is not known"):
        Budget(Limits(dollars=1)).reserve(1, None, what="lab/x")
    Budget(Limits(tokens=1)).reserve(1, None)


@pytest.mark.parametrize(
    ("per", "last", "first", "told"),
    [
        ("hour", "2026-11-20 13:59:59", "2026-11-20 14:00:00", "2026-11-20 14:00"),
        ("day", "2026-11-20 23:59:59", "2026-11-21 00:00:00", "2026-11-21 00:00"),
        ("month", "2026-12-31 23:59:59", "2027-01-01 00:00:00", "2027-01-01 00:00"),
    ],
)
def test_it_starts_afresh_with_the_period(per, last, first, told):
    now = [_at(last)]
    budget = Budget(Limits(10), per=per, clock=lambda: now[0])
    budget.reserve(4).settle()
    running = budget.reserve(6)
    with pytest.raises(BudgetExceeded, match=f"of 10 tokens a {per} is .*it starts afresh at {told} UTC"):
        budget.reserve(1)
    now[0] = _at(first)
    assert budget.spent.tokens == 0 and budget.reserved.tokens == 6
    running.settle(5)
    # What ends in a period counts there; a clock that is set back does not bring the old one again.
    now[0] = _at(last)
    assert budget.spent.tokens == 5 and budget.reserved.tokens == 0


def test_a_total_never_starts_afresh():
    now = [0.0]
    budget = Budget(Limits(10), clock=lambda: now[0])
    budget.reserve(10).settle()
    now[0] = 1e10
    assert budget.spent.tokens == 10


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (0.05, Limits(None, 0.05)),
        (2, Limits(None, 2)),
        ({"tokens": 10}, Limits(10, None)),
        ({"tokens": 10, "dollars": 0.5}, Limits(10, 0.5)),
    ],
)
def test_the_ways_to_write_one(value, limits):
    assert limits_from("panel", value) == limits


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "panel: budget = 0 is not dollars, more than 0"),
        (True, "panel: budget = True is not dollars, more than 0"),
        ("1", "panel: budget = '1' is not dollars, more than 0"),
        (float("nan"), "panel: budget = nan is not dollars, more than 0"),
        (float("inf"), "panel: budget = inf is not dollars, more than 0"),
        ({"tokens": 1.5}, "panel: budget.tokens = 1.5 is not a whole number, 1 or more"),
        ({"tokens": 0}, "panel: budget.tokens = 0 is not a whole number, 1 or more"),
        ({"tokens": 1, "dollars": -1}, "panel: budget.dollars = -1 is not dollars, more than 0"),
        ({"token": 1}, "panel: unknown key 'token' in budget (did you mean 'tokens'?)"),
        ({}, "panel: budget has neither tokens nor dollars"),
    ],
)
def test_the_ways_not_to(value, message):
    with pytest.raises(ConfigError) as caught:
        MoA(["demo/planner"], "demo/editor", name="panel", budget=value)
    assert str(caught.value) == message


def _at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
