"""Repetitions are a tenth of the calls, and a few to begin with."""

from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.retry_budget import RESERVE, SHARE, RetryBudget


@given(st.lists(st.booleans(), max_size=500))
def test_repetitions_never_exceed_their_share_of_the_calls(steps):
    budget, calls, repeated = RetryBudget(), 0, 0
    for call in steps:
        if call:
            budget.earn()
            calls += 1
        else:
            repeated += budget.spend()
        assert repeated <= RESERVE + SHARE * calls + 1e-9


def test_what_is_saved_up_has_a_limit():
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(10_000)) == RESERVE
