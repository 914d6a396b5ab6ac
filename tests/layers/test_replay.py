"""Running a layer on references it is given instead of asking for its own."""

import asyncio

import pytest

import moakit
from moakit import (
    Agent,
    Aggregator,
    BudgetExceeded,
    Cascade,
    Critique,
    Delta,
    InvalidRequest,
    MoA,
    Proposers,
    Ranker,
    RateLimited,
    Response,
    Revise,
    Router,
    Sequential,
    ShapeError,
    Tree,
    Truncate,
    Until,
)
from tests.lab import references_in, until


def read(up, model):
    """The references that a model was shown last."""
    return references_in(up.of(model)[-1])


async def test_an_aggregator_reads_the_references_of_an_earlier_answer(up, lab):
    first = await MoA([lab("say:one"), lab("say:two")], lab("lead")).run("why")
    up.reset()
    answer = await Aggregator(lab("other")).run("why", references=first.references)
    assert read(up, "other") == ["one", "two"]
    assert answer.references == first.references
    assert [call.model for call in answer.calls] == ["lab/other"]
    assert len(up.calls) == 1
    assert answer.usage == answer.response.usage


async def test_its_cost_is_that_of_the_new_calls_alone(up):
    dear = moakit.Provider("lab", base_url=up.base_url, api_key="key", price=1_000_000)
    old = Response(text="old", cost=99.0, usage=moakit.Usage(5, 5, 10))
    answer = await Aggregator(dear("lead")).run("why", references=[old])
    assert answer.cost == answer.usage.total_tokens == answer.response.usage.total_tokens
    assert answer.references == (old,)


async def test_they_may_be_texts_and_mappings_with_output_or_text(up, lab):
    given = [
        "one",
        {"instruction": "why", "output": "two", "generator": "m/2"},
        {"text": "three", "model": "m/3", "unknown": 1},
    ]
    answer = await MoA([lab("a")], lab("lead")).run("why", references=given)
    assert read(up, "lead") == ["one", "two", "three"]
    assert [reference.model for reference in answer.references] == ["", "m/2", "m/3"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("text", "references is a str"),
        ({"output": "x"}, "references is a dict"),
        (5, "references is a int"),
        (["a", " "], r"references\[1\] is empty"),
        ([{"output": ""}], r"references\[0\] is empty"),
        ([5], r"references\[0\] is not a reference"),
        ([{"generator": "m"}], r"references\[0\] is not a reference"),
        ([{"text": "a", "seconds": "long"}], r"references\[0\] is not a response"),
    ],
)
async def test_what_is_no_reference_is_refused_by_its_place(up, lab, given, what):
    with pytest.raises(InvalidRequest, match=what):
        await Aggregator(lab("lead")).run("why", references=given)
    with pytest.raises(InvalidRequest, match=what):
        Aggregator(lab("lead")).stream("why", references=given)
    assert up.calls == []


async def test_an_ensemble_skips_its_proposers_however_deep_it_is(up, lab):
    ensemble = MoA([lab("a"), lab("b")], lab("lead"), layers=4)
    answer = await ensemble.run("why", references=["one", "two", "three"])
    assert [call.path for call in answer.calls] == ["3.0"]
    assert read(up, "lead") == ["one", "two", "three"]
    assert [len(layer) for layer in answer.layers] == [1]


async def test_it_begins_at_its_first_layer_that_needs_references(up, lab):
    up.behaves["judge"] = 'say:{"scores":_[1,_9]}'
    ensemble = Sequential(
        Proposers(lab("a")), Critique(lab("say:weak")), Ranker(lab("judge"), keep=1), Aggregator(lab("lead"))
    )
    answer = await ensemble.run("why", references=["one", "two"])
    assert not up.of("a")
    assert len(up.of("say:weak")) == 2
    assert answer.references[0].text.startswith("two") and len(answer.references) == 1
    await ensemble[2:].run("why", references=["one", "two"])
    assert len(up.of("say:weak")) == 2


async def test_without_such_a_layer_the_last_one_reads_them(up, lab):
    answer = await Sequential(Proposers(lab("a"), lab("b")), lab("last")).run("why", references=["one"])
    assert [call.model for call in answer.calls] == ["lab/last"]
    assert read(up, "last") == ["one"]


async def test_an_agent_reads_them_too(up, lab):
    answer = await lab("alone").run("why", references=["one"])
    assert read(up, "alone") == ["one"]
    assert [reference.text for reference in answer.references] == ["one"]


async def test_an_ensemble_that_aggregates_reads_them_as_it_always_does(up, lab):
    ensemble = MoA([lab("a")], MoA([lab("b")], lab("lead")))
    for layer in (ensemble, ensemble[1]):
        up.reset()
        await layer.run("why", references=["one"])
        assert not up.of("a")
        assert read(up, "b") == ["one"] and len(up.calls) == 2


async def test_one_inside_that_is_only_wrapped_skips_its_proposers(up, lab):
    panel = MoA([lab("a")], lab("lead"))
    wrapped = [
        Sequential(panel, name="x"),
        Router({"x": panel}, by={"x": ["never"]}, default="x"),
        Until(panel, times=1),
    ]
    for layer in wrapped:
        answer = await layer.run("why", references=["one"])
        assert len(answer.calls) == 1 and read(up, "lead") == ["one"]
    assert not up.of("a")


async def test_what_a_selection_lets_through_is_new_to_the_ensemble_after_it(up, lab):
    ensemble = Sequential(lab("z"), Truncate(1000), MoA([lab("a")], lab("lead")))
    answer = await ensemble.run("why", references=["one"])
    assert [call.model for call in answer.calls] == ["lab/a", "lab/lead"]
    assert read(up, "a") == ["one"]


async def test_a_cascade_compares_them_and_its_first_stage_writes(up, lab):
    cascade = Cascade(MoA([lab("a"), lab("b")], lab("small")), lab("large"), agree=0.5)
    answer = await cascade.run("why", references=["the same", "the same"])
    assert [call.model for call in answer.calls] == ["lab/small"]
    answer = await cascade.run("why", references=["something", "else"])
    assert [call.model for call in answer.calls] == ["lab/large"]
    assert not up.of("a")


async def test_the_shape_is_checked_with_their_number(up, lab):
    revise = Sequential(
        Proposers(lab("a"), lab("b")), Revise(lab("r"), lab("s")), Aggregator(lab("lead")), name="panel"
    )
    with pytest.raises(ShapeError, match="layer 1: Revise has 2 agents for 3 references"):
        await revise.run("why", references=["1", "2", "3"])
    with pytest.raises(ShapeError, match="no references to aggregate"):
        await MoA([lab("a")], lab("lead")).run("why", references=[])
    with pytest.raises(ShapeError, match="ends in 2 responses, not in one"):
        Proposers(lab("a"), lab("b")).stream("why", references=["1"])
    assert up.calls == []
    answer = await Tree(lab("lead"), fan=2).run("why", references=["1", "2", "3", "4"])
    assert len(answer.calls) == 3


async def test_it_streams_as_ever(up, lab):
    async with MoA([lab("a")], lab("say:one_two")).stream("why", references=["x"]) as stream:
        events = [event async for event in stream]
    assert "".join(event.text for event in events if type(event) is Delta and event.answer) == "one two"
    assert stream.answer.references[0].text == "x" and len(up.calls) == 1
    assert [event.path for event in events if type(event) is moakit.LayerStarted] == ["1"]


async def test_sampling_is_for_the_final_layer_as_ever(up, lab):
    await MoA([lab("a")], lab("lead")).run("why", references=["x"], temperature=0.5, extra={"top_k": 3})
    assert up.of("lead")[0].body["temperature"] == 0.5
    assert up.of("lead")[0].body["top_k"] == 3


async def test_a_tools_result_does_not_drop_them(up, lab):
    messages = [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]  # fmt: skip
    await MoA([lab("a")], lab("lead")).run(messages, references=["x"])
    assert read(up, "lead") == ["x"] and len(up.calls) == 1


async def test_its_failure_is_the_runs_or_the_best_of_them_answers(up, lab):
    ensemble = MoA([lab("a")], lab("status:429", timeout=1), retries=0)
    with pytest.raises(RateLimited):
        await ensemble.run("why", references=["x"])
    best = MoA([lab("a")], lab("status:429"), retries=0, on_no_aggregator="best")
    answer = await best.run("why", references=["kept"])
    assert answer.text == "kept" and answer.degraded and not up.of("a")


async def test_only_what_it_takes_is_held_back_of_a_budget(up, lab):
    # Three proposers of ten thousand tokens each would not be paid; a short reference is.
    team = [lab(name, max_tokens=10_000) for name in "abc"]
    ensemble = MoA(team, lab("lead", max_tokens=100), layers=3, budget={"tokens": 2000})
    with pytest.raises(BudgetExceeded):
        await ensemble.run("why")
    up.reset()
    answer = await ensemble.run("why", references=["short"])
    assert len(answer.calls) == 1 and not answer.degraded


async def test_leaving_it_in_the_middle_closes_its_call(up, lab):
    async with MoA([lab("a")], lab("hang")).stream("why", references=["x"]) as stream:
        await until(lambda: up.of("hang"))
    assert stream.ended
    await up.idle()


async def test_one_ensemble_runs_with_and_without_them_at_once(up, lab):
    ensemble = MoA([lab("a")], lab("lead"))
    plain, given = await asyncio.gather(ensemble.run("why"), ensemble.run("why", references=["x"]))
    assert [len(plain.calls), len(given.calls)] == [2, 1]


def test_the_synchronous_call_takes_them():
    answer = Aggregator("demo/editor")("Why?", references=["Because."])
    assert len(answer.calls) == 1 and answer.references[0].text == "Because."
    with Agent("demo/editor").stream("Why?", references=["Because."]) as stream:
        assert "".join(stream.text) == stream.answer.text
