"""The layer in which every reference is revised in the light of the others."""

import asyncio

import pytest

import moakit
from moakit import (
    Agent,
    Critique,
    MoA,
    NotEnoughResponses,
    Proposers,
    Response,
    Revise,
    Sequential,
    ShapeError,
)
from tests.lab import references_in, together, until
from tests.layers.refining import panel, texts


async def test_each_author_revises_its_own_response_with_the_others_in_view(up, lab):
    ensemble = Sequential(Proposers(lab("a+sleep:0.05"), lab("b+sleep:0.05")), Revise(), lab("lead"))
    answer = await ensemble.run("why")
    assert [(call.path, call.role, call.model) for call in answer.calls if call.path[0] == "1"] == [
        ("1.0", "reviser", "lab/a+sleep:0.05"),
        ("1.1", "reviser", "lab/b+sleep:0.05"),
    ]
    proposals = texts(answer.layers[0])
    for model, own in (("a+sleep:0.05", proposals), ("b+sleep:0.05", proposals[::-1])):
        assert references_in(up.of(model)[1]) == own
        assert "Reference 1 is your earlier response" in up.of(model)[1].prompt
    assert together([up.of("a+sleep:0.05")[1], up.of("b+sleep:0.05")[1]])
    assert references_in(up.of("lead")[0]) == texts(answer.layers[1]) and not answer.degraded
    assert ensemble.summary().calls == len(answer.calls) == 5 and ensemble.summary().steps == 3


async def test_authors_may_debate_for_several_rounds(up, lab):
    ensemble = Sequential(Proposers(lab("a"), lab("b", seed=5)), *[Revise()] * 3, lab("lead"))
    answer = await ensemble.run("why")
    assert len(up.of("a")) == len(up.of("b")) == 4
    assert references_in(up.of("a")[3]) == texts(answer.layers[2])
    assert {call.body["seed"] for call in up.of("b")} == {5}


async def test_authors_are_found_behind_samples_ensembles_and_benches(up, lab):
    inner = MoA([lab("x")], lab("merge"))
    team = Proposers(lab("a", samples=2), inner, lab("status:401"), bench=[lab("spare")])
    answer = await Sequential(team, Revise(), lab("lead")).run("why")
    revised = [call.model for call in answer.calls if call.role == "reviser"]
    assert revised == ["lab/a", "lab/a", "lab/merge", "lab/spare"]


async def test_an_unknown_author_is_said(up, lab):
    class Made(moakit.Layer):
        async def forward(self, prompt, references, run):
            return [Response(text="made up")]

    with pytest.raises(ShapeError, match="does not know who wrote reference 1"):
        await Sequential(Made(), Revise(), lab("lead")).run("why")
    answer = await Sequential(Made(), Revise(lab("a")), lab("lead")).run("why")
    assert references_in(up.of("a")[0]) == ["made up"] and not answer.degraded


async def test_given_agents_revise_the_reference_at_their_place(up, lab):
    ensemble = panel(lab, Revise(lab("x"), lab("y")), "say:one", "say:two", lead="lead")
    answer = await ensemble.run("why")
    assert references_in(up.of("x")[0]) == ["one", "two"] and references_in(up.of("y")[0]) == ["two", "one"]
    assert [call.path for call in answer.calls if call.role == "reviser"] == ["1.0", "1.1"]
    assert ensemble["1.1"] == lab("y") and ensemble.summary().calls == len(answer.calls)


async def test_one_agent_revises_all(up, lab):
    ensemble = panel(lab, Revise(lab("x", seed=1)), lead="lead")
    answer = await ensemble.run("why")
    assert sorted(references_in(call)[0] for call in up.of("x")) == ["one", "three", "two"]
    assert {call.body["seed"] for call in up.of("x")} == {1, 2, 3}
    assert ensemble.summary().calls == len(answer.calls) == 7


async def test_a_failed_revision_keeps_the_old_response_without_its_critique(up, lab):
    layers = [Critique(lab("say:bad")), Revise(lab("say:better"), lab("status:401"))]
    ensemble = Sequential(Proposers(lab("say:one"), lab("say:two")), *layers, lab("lead"))
    answer = await ensemble.run("why")
    assert texts(answer.layers[2]) == ["better", "two"] and answer.degraded
    (call,) = up.of("say:better")
    assert "bad" in references_in(call)[0] and "bad" in references_in(call)[1]


async def test_all_may_fail_unless_a_minimum_of_its_own_says_otherwise(up, lab):
    answer = await panel(lab, Revise(lab("status:401")), lead="lead", minimum=2).run("why")
    assert texts(answer.layers[1]) == ["one", "two", "three"] and answer.degraded
    with pytest.raises(NotEnoughResponses, match=r"only 0|no reviser answered \(layer 2\)"):
        await panel(lab, Revise(lab("status:401"), minimum=1), lead="lead").run("why")


async def test_a_late_revision_is_not_waited_for(up, lab):
    revise = Revise(lab("say:better"), lab("hang"), deadline=0.3)
    answer = await panel(lab, revise, "say:one", "say:two", lead="lead").run("why")
    assert texts(answer.layers[1]) == ["better", "two"] and answer.degraded and answer.duration < 4


async def test_cancelled_in_the_middle_nothing_is_left_open(up, lab):
    task = asyncio.create_task(panel(lab, Revise(lab("hang")), lead="lead").run("why"))
    await until(lambda: len(up.of("hang")) == 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(1)
    assert {call.status for call in up.of("hang")} == {"aborted"}


async def test_alone_at_the_tail_a_response_is_refined(up, lab):
    ensemble = Sequential(lab("say:one"), Revise(lab("say:better")))
    async with ensemble.stream("why") as stream:
        assert [text async for text in stream.text] == ["better"]


async def test_it_stands_inside_a_proposer_and_finds_its_authors(up, lab):
    debate = Sequential(Proposers(lab("a"), lab("b")), Revise(), lab("merge"))
    ensemble = MoA([debate, lab("c")], lab("lead"), samples=2)
    answer = await ensemble.run("why")
    assert len(up.of("a")) == len(up.of("b")) == 4 and not answer.degraded
    assert ensemble.summary().calls == len(answer.calls)


def test_what_does_not_fit_is_said_when_it_is_built():
    team = Proposers("demo/planner", "demo/skeptic")
    with pytest.raises(ShapeError, match="layer 1: Revise has 3 agents for 2 references"):
        Sequential(team, Revise("demo/planner", "demo/skeptic", "demo/editor"), "demo/editor")
    with pytest.raises(ShapeError, match="no references to revise"):
        Revise().shape(0)
    with pytest.raises(ShapeError, match="one response is wanted"):
        Revise(Agent("demo/planner", samples=2))
    assert Revise().shape(None) is None and Revise("demo/planner", "demo/skeptic").shape(None) == 2


def test_its_cost_is_unknown_where_its_authors_are():
    assert Sequential(Proposers("demo/planner"), Revise(), "demo/editor").summary().cost is None
    assert Sequential(Proposers("demo/planner"), Revise("demo/planner"), "demo/editor").summary().cost == 0


def test_it_is_made_again_from_its_configuration():
    for layer in (
        Revise(),
        Revise("demo/planner", deadline=3.5),
        Revise("demo/planner", MoA(["demo/skeptic"], "demo/editor"), minimum=1),
        Revise(prompt=moakit.Template(closing="Go.")),
    ):
        again = moakit.from_config(layer.to_config())
        assert again == layer and repr(again) == repr(layer)
    assert moakit.from_config({"revise": "demo/planner"}) == Revise("demo/planner")
