"""Random trees over all layers that do not choose a route, each with what its shape has to be."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from moakit import (
    Agent,
    Aggregator,
    Analyse,
    BestOf,
    Council,
    Critique,
    Diverse,
    Layer,
    MoA,
    MostConsistent,
    OutlierFilter,
    PeerReview,
    Proposers,
    Ranker,
    Residual,
    Revise,
    SelfMoA,
    Sequential,
    ShapeError,
    Shuffle,
    Tree,
    Truncate,
    Voter,
    Window,
)
from moakit.models.demo import DemoModel

IDLE = 60
"""Turns of the event loop in which nothing new is asked: then everybody waits for an answer."""


class Steps:
    """Answers all calls that wait at once, when nobody has anything else to do, and counts how often."""

    def __init__(self) -> None:
        self.taken = self.open = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait for the next step."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.open += 1
        try:
            await turn
        finally:
            self.open -= 1

    async def drive(self) -> None:
        """Take steps until cancelled."""
        seen = idle = 0
        while True:
            await asyncio.sleep(0)
            idle = idle + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)
            if seen and idle > IDLE:
                self.taken += 1
                for turn in self._waiting:
                    if not turn.done():
                        turn.set_result(None)
                self._waiting.clear()
                seen = idle = 0


class Stepped:
    """A demo model that answers when its step comes; `steps` are those of the run that is observed."""

    endpoint = None
    steps: Steps | None = None

    def __init__(self, name: str) -> None:
        self.demo = DemoModel(name, pace=0)
        self.name = self.demo.name

    async def respond(self, messages, parameters, listener=None):
        if Stepped.steps is not None:
            await Stepped.steps.wait()
        return await self.demo.respond(messages, parameters, listener)


async def observed(running):
    """Return the answer of a run, and how many steps it took."""
    steps = Stepped.steps = Steps()
    driver = asyncio.create_task(steps.drive())
    try:
        return await running, steps.taken
    finally:
        driver.cancel()
        await asyncio.wait([driver])
        Stepped.steps = None


class Piece(NamedTuple):
    """A layer, and what it gives of so many references; None: they cannot go in."""

    layer: Layer
    gives: Callable[[int], int | None]


MODELS = [Stepped(name) for name in ("planner", "skeptic", "storyteller", "editor")]
JUDGE = Stepped("judge")
COUNT = st.integers(1, 3)
single = st.builds(Agent, st.sampled_from(MODELS))
judges = st.just(Agent(JUDGE))


def some(what):
    """What gives this of one reference or more, and takes no fewer."""
    return lambda count: what(count) if count else None


def same(count):
    return count


def one(count):
    return 1


def fewer(keep):
    return some(lambda count: min(keep, count))


agents = st.builds(
    lambda model, samples, seed: Piece(Agent(model, samples=samples, seed=seed), lambda _: samples),
    st.sampled_from(MODELS), COUNT, st.none() | st.integers(0, 9),
)  # fmt: skip
readers = st.one_of(
    st.builds(lambda lead: Piece(Aggregator(lead), some(one)), single),
    st.builds(lambda lead, size: Piece(Window(lead, size=size + 1), some(one)), single, COUNT),
    st.builds(lambda lead, fan: Piece(Tree(lead, fan=fan + 1), some(one)), single, COUNT),
    st.builds(lambda agent: Piece(Critique(agent), some(same)), single),
    st.builds(lambda judge: Piece(Analyse(judge), some(lambda count: count + 1)), judges),
    st.builds(lambda judge, keep: Piece(Ranker(judge, keep=keep), fewer(keep)), judges, COUNT),
    st.builds(
        lambda judge, keep, number: Piece(PeerReview(*[judge] * number, keep=keep), fewer(keep)),
        judges, COUNT, COUNT,
    ),
    st.builds(lambda judge: Piece(BestOf(judge), some(one)), judges),
    st.builds(lambda judge: Piece(MostConsistent(judge), some(one)), judges),
    st.builds(lambda by: Piece(Voter(by), some(one)), st.sampled_from(["text", "number"])),
    st.builds(lambda keep: Piece(Diverse(keep), fewer(keep)), COUNT),
    st.builds(
        lambda drop: Piece(OutlierFilter(drop), some(lambda count: max(count - drop, min(count, 2)))), COUNT
    ),
    st.builds(lambda seed: Piece(Shuffle(seed), some(same)), COUNT),
    st.builds(lambda length: Piece(Truncate(length), some(same)), st.integers(1, 40)),
    st.builds(
        lambda team: Piece(
            Revise(*team),
            some(lambda count: count if len(team) == 1 or count == len(team) else None),
        ),
        st.lists(single, min_size=1, max_size=3),
    ),
)  # fmt: skip


def beside(pieces, samples):
    def gives(count):
        given = [piece.gives(count) for piece in pieces]
        return None if None in given else samples * sum(given)

    return Piece(Proposers(*[piece.layer for piece in pieces], samples=samples), gives)


def added(piece):
    def gives(count):
        given = piece.gives(count)
        return None if given is None else count + given

    return Piece(Residual(piece.layer), gives)


def in_order(pieces):
    """Return the pieces one after another, or None where they do not fit; checks that this is told."""

    def gives(count):
        for piece in pieces:
            count = None if count is None else piece.gives(count)
        return count

    fits = gives(0) is not None
    try:
        layer = Sequential(*[piece.layer for piece in pieces])
        built = True
    except ShapeError:
        built = False
    assert built == fits, [piece.layer for piece in pieces]
    return Piece(layer, gives) if built else None


def deeper(pieces):
    """Pieces made of pieces, each of which can stand first."""
    return st.one_of(
        st.builds(beside, st.lists(pieces, min_size=1, max_size=3), st.integers(1, 2)),
        st.builds(
            lambda head, rest: in_order([head, *rest]) or head,
            pieces,
            st.lists(readers | pieces | st.builds(added, pieces | readers), min_size=1, max_size=3),
        ),
        st.builds(
            lambda team, lead, depth: Piece(MoA([one.layer for one in team], lead, layers=depth), one),
            st.lists(pieces, min_size=1, max_size=2), single, st.integers(2, 3),
        ),
        st.builds(lambda agent, samples: Piece(SelfMoA(agent, samples=samples), one), single, COUNT),
        st.builds(
            lambda team, lead: Piece(Council(team, lead, reviewers=[Agent(JUDGE)]), one),
            st.lists(single, min_size=1, max_size=3), single,
        ),
    )  # fmt: skip


_trees = st.recursive(agents, deeper, max_leaves=5)


@st.composite
def _small(draw):
    """Draw a tree that takes no long; by a function, whose name is shorter than all it is made of."""
    piece = draw(_trees)
    assume(piece.layer.plan().calls <= 120 and piece.gives(0) <= 30)
    return piece


trees = _small()
