"""Runs take turns; inside a run it is first come, first served."""

from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.turns import Turns

RUNS = "abcd"


def served(turns):
    order = []
    while (turn := turns.first()) is not None:
        turns.serve(turn)
        order.append(turn.who)
    assert len(turns) == 0
    return order


def of(*names):
    turns = Turns()
    for name in names:
        turns.add(name[0], name, 1)
    return turns


def test_nobody_waits_at_first():
    assert Turns().first() is None and len(Turns()) == 0 and Turns().before("a") == 0


def test_first_come_first_served_inside_a_run():
    assert served(of("a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_runs_take_turns():
    assert served(of("a1", "a2", "a3", "b1", "b2", "c1")) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_run_that_comes_later_waits_one_turn_of_the_others():
    turns = of("a1", "a2", "a3")
    turns.serve(turns.first())
    turns.add("b", "b1", 1)
    assert served(turns) == ["a2", "b1", "a3"]


def test_one_who_leaves_takes_nobodys_turn():
    turns = of("a1", "a2", "b1", "b2")
    turns.remove("a", "a1")
    turns.remove("b", "b1")
    turns.remove("b", "b1")
    turns.remove("z", "z1")
    assert len(turns) == 2 and served(turns) == ["a2", "b2"]


def test_a_turn_knows_its_run_and_its_tokens():
    turns = Turns()
    turns.add("a", "a1", 0)
    assert turns.first() == ("a", "a1", 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(RUNS)),
        st.tuples(st.just("serve"), st.just("")),
        st.tuples(st.just("remove"), st.integers(0, 30)),
    ),
    max_size=60,
)


def after(steps):
    turns, waiting = Turns(), {}
    for number, (what, which) in enumerate(steps):
        if what == "add":
            turns.add(which, number, 1)
            waiting[number] = which
        elif what == "serve" and waiting:
            turn = turns.first()
            turns.serve(turn)
            assert waiting.pop(turn.who) == turn.run_id
        elif what == "remove" and waiting:
            who = list(waiting)[which % len(waiting)]
            turns.remove(waiting.pop(who), who)
        assert len(turns) == len(waiting)
    return turns, waiting


@given(STEPS)
def test_everyone_who_stays_is_served_once_and_in_the_order_of_their_run(steps):
    turns, waiting = after(steps)
    order = served(turns)
    assert sorted(order) == sorted(waiting)
    for run in RUNS:
        mine = [who for who in order if waiting[who] == run]
        assert mine == sorted(mine)


@given(STEPS)
def test_no_run_is_served_twice_while_another_waits(steps):
    turns, waiting = after(steps)
    order = [waiting[who] for who in served(turns)]
    for place, run in enumerate(order[:-1]):
        if order[place + 1] == run:
            assert set(order[place + 1 :]) == {run}


@given(STEPS, st.sampled_from(RUNS))
def test_how_many_come_before_is_how_many_come_before(steps, run):
    turns, _ = after(steps)
    before = turns.before(run)
    turns.add(run, "me", 1)
    assert served(turns).index("me") == before
