"""Any tree of layers: what it says of itself is what it does."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from moakit import (
    Agent,
    Aggregator,
    BestOf,
    CallFinished,
    ConfigError,
    Delta,
    Diverse,
    MoA,
    MostConsistent,
    OutlierFilter,
    Proposers,
    Ranker,
    Residual,
    RunFinished,
    SelfMoA,
    Sequential,
    ShapeError,
    Shuffle,
    Truncate,
    Voter,
)
from moakit.models.demo import DemoModel

MODELS = [DemoModel(name, pace=0) for name in ("planner", "skeptic", "storyteller", "editor")]
SAMPLES = st.integers(1, 3)

agents = st.builds(
    Agent,
    st.sampled_from(MODELS),
    samples=SAMPLES,
    seed=st.none() | st.integers(0, 9),
    temperature=st.none() | st.floats(0, 2),
    system=st.none() | st.text(max_size=5),
)
single = st.builds(Agent, st.sampled_from(MODELS))


def several(layers, most=3):
    return st.lists(layers, min_size=1, max_size=most)


def proposers(layers):
    return st.builds(lambda inner, samples: Proposers(*inner, samples=samples), several(layers), SAMPLES)


judges = st.just(Agent(DemoModel("judge", pace=0)))
selections = st.one_of(
    st.builds(Ranker, judges, keep=SAMPLES, by=st.sampled_from(["scores", "pairs"])),
    st.builds(BestOf, judges),
    st.builds(MostConsistent, judges),
    st.builds(Voter, st.sampled_from(["text", "number"])),
    st.builds(Diverse, SAMPLES),
    st.builds(OutlierFilter, SAMPLES),
    st.builds(Shuffle, SAMPLES),
    st.builds(Truncate, st.integers(1, 40)),
)


def deeper(layers):
    """Layers made of layers; every one of them can stand first."""
    first = proposers(layers) | layers
    return st.one_of(
        proposers(layers),
        st.builds(
            lambda head, rest: Sequential(head, *rest),
            first,
            several(layers | st.builds(Residual, layers), 2),
        ),
        st.builds(Sequential, first, selections),
        st.builds(lambda head, lead: Sequential(head, Aggregator(lead)), first, single),
        st.builds(lambda head, inner: Sequential(head, Residual(inner)), first, layers),
        st.builds(
            lambda team, lead, depth: MoA(team, lead, layers=depth),
            several(layers),
            single,
            st.integers(2, 4),
        ),
        st.builds(lambda agent, samples: SelfMoA(agent, samples=samples), single, SAMPLES),
    )


trees = st.recursive(agents, deeper, max_leaves=6).filter(lambda tree: tree.plan().calls <= 200)
ensembles = trees.map(lambda tree: Sequential(tree, Aggregator(Agent(MODELS[3]))))


@settings(max_examples=60, deadline=None)
@given(ensembles)
def test_a_summary_is_what_is_observed(ensemble):
    answer = asyncio.run(ensemble.run("why is the sky dark"))
    table = ensemble.summary()
    assert table.calls == len(answer.calls)
    assert table.cost == answer.cost == 0
    assert [len(layer) for layer in answer.layers] == [row.gives for row in table.rows]
    assert len(answer.references) == ensemble[0].shape(0)
    assert not answer.failures and not answer.degraded
    paths = [call.path for call in answer.calls]
    assert len(set(paths)) == len(paths)
    assert answer.usage.total_tokens == sum(call.usage.total_tokens for call in answer.calls)
    for call in answer.calls:
        assert ensemble[call.path].model == call.model


@settings(max_examples=60, deadline=None)
@given(ensembles)
def test_a_stream_tells_the_same_run(ensemble):
    async def main():
        async with ensemble.stream("why", proposers=True) as stream:
            return [event async for event in stream], stream.answer

    events, answer = asyncio.run(main())
    assert "".join(event.text for event in events if type(event) is Delta and event.answer) == answer.text
    assert [event.response.path for event in events if type(event) is CallFinished] == [
        call.path for call in answer.calls
    ]
    assert type(events[-1]) is RunFinished and {event.run_id for event in events} == {answer.run_id}
    assert sorted(event.at for event in events) == [event.at for event in events]


@settings(max_examples=60, deadline=None)
@given(trees, trees)
def test_every_tree_shows_compares_and_configures_itself(tree, other):
    assert repr(tree).count("Agent(") <= len(tree.named_layers())
    assert str(tree.summary())
    assert tree == tree.replace("", tree) and hash(tree) == hash(tree)
    assert (tree == other) == (tree.to_config() == other.to_config())
    if tree == other:
        assert hash(tree) == hash(other)
    for path, layer in tree.named_layers():
        assert tree[path] is layer
        try:
            changed = tree.replace(path, other)
        except (ShapeError, ConfigError):
            # Not everything fits, and not everything judges.
            continue
        assert changed[path] is other
        assert tree[path] is layer
