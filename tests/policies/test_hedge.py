"""When a call is slow, and how many second attempts there may be."""

from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.hedge import NEEDED, SAVED, SHARE, Hedge


def test_what_is_slow_is_not_known_at_first():
    hedge = Hedge()
    for _ in range(NEEDED - 1):
        assert hedge.call() is None
        hedge.note(0.1)
    assert hedge.call() is None
    hedge.note(0.1)
    assert hedge.call() == 0.1


def test_slow_is_slower_than_95_of_100():
    hedge = Hedge()
    for hundredths in range(100):
        hedge.note(hundredths / 100)
    assert hedge.call() == 0.95


def test_old_times_are_forgotten():
    hedge = Hedge()
    for seconds in [9.0] * 100 + [0.1] * 100:
        hedge.note(seconds)
    assert hedge.call() == 0.1


@given(st.lists(st.booleans(), max_size=500))
def test_hedges_stay_within_five_percent(steps):
    hedge, spent = Hedge(), 0
    for call in steps:
        if call:
            hedge.call()
        else:
            spent += hedge.spend()
        assert spent <= SHARE * hedge.calls + 1e-9
        assert spent == hedge.hedges


def test_they_are_not_saved_up():
    hedge = Hedge()
    for _ in range(1000):
        hedge.call()
    assert sum(hedge.spend() for _ in range(100)) == SAVED
