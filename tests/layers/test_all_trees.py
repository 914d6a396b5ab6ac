"""Any tree over all layers: its shape, its summary, its configuration, what is left when it is cancelled."""

import asyncio
import contextlib
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import moakit
from moakit import Agent, Aggregator, MoaError, Sequential, ShapeError, from_config
from tests.lab import lab_on, quiet
from tests.layers.all_layers import MODELS, Stepped, Steps, added, agents, observed, readers, trees
from tests.layers.test_routing_trees import trees as routing
from tests.upstream import Upstream

OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ensembles = trees.map(lambda piece: Sequential(piece.layer, Aggregator(Agent(MODELS[3]))))


@OFTEN
@given(agents, st.lists(readers | trees | readers.map(added) | agents.map(added), max_size=4))
def test_exactly_what_fits_can_be_built(head, rest):
    width = head.gives(0)
    for piece in rest:
        width = None if width is None else piece.gives(width)
    try:
        layer = Sequential(head.layer, *[piece.layer for piece in rest])
    except ShapeError:
        assert width is None
    else:
        assert width is not None and layer.shape(0) == width


@OFTEN
@given(readers | trees | trees.map(added), st.integers(0, 5))
def test_a_shape_is_told_for_any_number_of_references(piece, references):
    try:
        assert piece.layer.shape(references) == piece.gives(references)
    except ShapeError:
        assert piece.gives(references) is None


@OFTEN
@given(ensembles)
def test_calls_and_steps_of_the_summary_are_what_is_observed(ensemble):
    answer, steps = asyncio.run(observed(ensemble.run("why is the sky dark")))
    table = ensemble.summary()
    assert not answer.failures
    assert (table.calls, table.steps) == (len(answer.calls), steps)
    assert [len(layer) for layer in answer.layers] == [row.gives for row in table.rows]


@OFTEN
@given(ensembles)
def test_on_the_references_of_its_answer_it_runs_its_final_layer_alone(ensemble):
    answer = ensemble("why")
    again = ensemble("why", references=answer.references)
    assert [call.path for call in again.calls] == ["1.0"]
    assert again.references == answer.references
    assert again.text == answer.text
    assert again.agreement == answer.agreement and again.dissent == answer.dissent


@OFTEN
@given(trees)
def test_repr_and_configuration_are_those_of_the_same_tree(piece):
    tree = piece.layer
    config = tree.to_config()
    again = from_config(json.loads(json.dumps(config)))
    assert again.to_config() == config
    # A SelfMoA is an MoA whose proposers are one agent.
    assert repr(again) == repr(tree).replace("SelfMoA(", "MoA(")
    assert again.summary().table()[-1] == tree.summary().table()[-1]
    assert [path for path, _ in again.named_layers()] == [path for path, _ in tree.named_layers()]


async def cut(ensemble, count):
    """Read so many events of a run, then leave it."""
    async with ensemble.stream("why is the sky dark", proposers=True) as stream:
        with contextlib.suppress(MoaError):
            async for _ in stream:
                count -= 1
                if count <= 0:
                    break
    assert stream.ended


@OFTEN
@given(ensembles, st.integers(1, 40))
def test_cancelled_at_any_event_it_leaves_no_call_and_no_task(ensemble, count):
    async def main():
        steps = Stepped.steps = Steps()
        driver = asyncio.create_task(steps.drive())
        try:
            await cut(ensemble, count)
            assert steps.open == 0
        finally:
            driver.cancel()
            await asyncio.wait([driver])
            Stepped.steps = None
        await quiet()

    asyncio.run(main())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.map(lambda piece: piece.layer) | routing, st.integers(1, 40))
def test_cancelled_at_any_event_it_leaves_no_connection(tree, count):
    try:
        text = json.dumps(Sequential(tree, Aggregator(Agent(MODELS[3]))).to_config())
    except MoaError:
        # What splits by a function has no configuration.
        return

    async def main():
        async with Upstream() as upstream:
            lab = lab_on(upstream)
            ensemble = from_config(json.loads(text.replace('"demo/', '"lab/')), providers=[lab])
            await cut(ensemble, count)
            await upstream.idle()
            await moakit.aclose()
            await quiet()

    asyncio.run(main())
