"""Any tree with routers, cascades, rounds and sub-questions in it: bounded by its plan, addressed, told."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from moakit import (
    Agent,
    Aggregator,
    Cascade,
    Delta,
    Map,
    MoA,
    Proposers,
    Router,
    RunFinished,
    Sequential,
    Until,
    from_config,
)
from tests.layers.test_trees import MODELS, agents, deeper, several, single


def chosen(layers):
    """Layers that decide when they run which of their children answer."""
    stage = st.builds(MoA, st.lists(layers, min_size=2, max_size=3), single)
    last = stage | single
    return st.one_of(
        st.builds(
            lambda routes, at: Router(
                {f"r{place}": route for place, route in enumerate(routes)},
                by={f"r{at % len(routes)}": ["dark"]},
                default="r0",
            ),
            several(layers),
            st.integers(0, 2),
        ),
        st.builds(
            lambda one, other, agree: Cascade(one, other, agree=agree), stage, last, st.floats(0.01, 1)
        ),
        st.builds(lambda layer, times: Until(layer, times=times), layers, st.integers(1, 3)),
        st.builds(
            lambda layer, count: Map(
                Sequential(layer, Aggregator(Agent(MODELS[3]))),
                split=lambda prompt, references: [f"part {place}" for place in range(count)],
                most=3,
            ),
            layers,
            st.integers(1, 3),
        ),
    )


trees = st.recursive(agents, lambda layers: chosen(layers) | deeper(layers), max_leaves=6).filter(
    lambda tree: tree.plan().calls <= 100
)
ensembles = trees.map(lambda tree: Sequential(Proposers(tree), Aggregator(Agent(MODELS[3]))))


@settings(max_examples=60)
@given(ensembles)
def test_a_run_takes_at_most_what_is_planned(ensemble):
    async def main():
        async with ensemble.stream("why is the sky dark", proposers=True) as stream:
            return [event async for event in stream], stream.answer

    events, answer = asyncio.run(main())
    assert len(answer.calls) <= ensemble.plan().calls
    assert not answer.failures and not answer.degraded
    paths = [call.path for call in answer.calls]
    assert len(set(paths)) == len(paths)
    for call in answer.calls:
        assert ensemble[call.path].model == call.model
    width = ensemble[0].shape(0)
    assert width is None or len(answer.references) == width
    assert "".join(event.text for event in events if type(event) is Delta and event.answer) == answer.text
    assert type(events[-1]) is RunFinished


@settings(max_examples=60)
@given(trees)
def test_every_tree_shows_and_configures_itself(tree):
    assert str(tree.summary()) and repr(tree) and tree.to_mermaid()
    assert hash(tree) == hash(tree.replace("", tree)) and tree == tree.replace("", tree)
    for path, layer in tree.named_layers():
        assert tree[path] is layer
        assert tree.replace(path, layer)[path] is layer
    if not any(isinstance(layer, Map) for _, layer in tree.named_layers()):
        again = from_config(tree.to_config())
        assert again.to_config() == tree.to_config()
