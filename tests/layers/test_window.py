"""The layer that aggregates a few references at a time."""

import asyncio

import pytest

import moakit
from moakit import (
    Aggregator,
    ConfigError,
    DeadlineExceeded,
    MoA,
    Proposers,
    Sequential,
    ShapeError,
    Window,
)
from tests.lab import follows, references_in, until
from tests.layers.refining import panel, texts

FIVE = ("say:1", "say:2", "say:3", "say:4", "say:5")


async def test_each_call_reads_the_last_response_and_the_next_references(up, lab):
    answer = await panel(lab, Window(lab("lead"), size=3), *FIVE).run("why")
    first, second = up.of("lead")
    assert references_in(first) == ["1", "2", "3"]
    assert references_in(second)[1:] == ["4", "5"]
    assert references_in(second)[0].startswith("lead #1: why") and follows([second], [first])
    assert [call.path for call in answer.calls if call.role == "aggregator"] == ["1.0.0", "1.0#1.0"]
    assert texts(answer.references) == references_in(second) and not answer.degraded


@pytest.mark.parametrize(
    ("count", "size", "calls"), [(1, 3, 0), (2, 3, 1), (3, 3, 1), (4, 3, 2), (5, 2, 4), (7, 3, 3)]
)
async def test_the_plan_is_what_happens(up, lab, count, size, calls):
    ensemble = Sequential(Proposers(lab("a", samples=count)), Window(lab("lead"), size=size))
    answer = await ensemble.run("why")
    assert len(up.of("lead")) == calls and Window("demo/editor", size=size).plan(count) == (calls, calls)
    assert ensemble.summary().calls == len(answer.calls) and ensemble.summary().steps == 1 + calls


async def test_a_single_reference_is_the_response_and_is_sent_whole(up, lab):
    async with panel(lab, Window(lab("lead")), "say:the_one").stream("why") as stream:
        assert [text async for text in stream.text] == ["the one"]


async def test_only_the_last_call_streams(up, lab):
    async with panel(lab, Window(lab("lead+tokens:3"), size=2), *FIVE).stream("why") as stream:
        assert "".join([text async for text in stream.text]) == "w1 w2 w3" == stream.answer.text
    assert [call.stream for call in up.of("lead+tokens:3")] == [False] * 3 + [True]


async def test_sampling_of_the_request_is_for_the_last_call(up, lab):
    await panel(lab, Window(lab("lead"), size=3), *FIVE).run("why", temperature=0.5)
    assert [call.body.get("temperature") for call in up.of("lead")] == [None, 0.5]


async def test_a_failure_in_the_middle_is_the_runs_or_the_best_goes_on(up, lab):
    up.behaves["lead"] = "status:401+times:1"
    with pytest.raises(moakit.AuthenticationFailed):
        await panel(lab, Window(lab("lead"), size=3), *FIVE).run("why")
    up.reset()
    answer = await panel(lab, Window(lab("lead"), size=3), *FIVE, on_no_aggregator="best").run("why")
    assert answer.degraded and references_in(up.of("lead")[1])[0] in {"1", "2", "3"}


async def test_its_deadline_is_for_all_calls(up, lab):
    with pytest.raises(DeadlineExceeded, match="Window at 1"):
        await panel(lab, Window(lab("hang"), deadline=0.2), *FIVE).run("why")
    await up.idle(1)


async def test_cancelled_in_the_middle_nothing_is_left_open(up, lab):
    task = asyncio.create_task(panel(lab, Window(lab("hang")), *FIVE).run("why"))
    await until(lambda: up.of("hang"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(1)


async def test_a_tools_result_goes_to_the_aggregator_alone(up, lab):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    prompt = [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]
    answer = await panel(lab, Window(lab("lead")), *FIVE).run(prompt)
    assert len(answer.calls) == 1 and answer.response.model == "lab/lead"


async def test_without_proposals_the_aggregator_may_still_answer(up, lab):
    answer = await panel(lab, Window(lab("lead")), "status:401", on_no_references="answer").run("why")
    assert answer.degraded and answer.response.model == "lab/lead"


async def test_it_works_inside_other_layers_with_samples(up, lab):
    inner = panel(lab, Window(lab("merge"), size=2))
    ensemble = MoA([inner, lab("b")], lab("lead"), samples=2)
    answer = await ensemble.run("why")
    assert ensemble.summary().calls == len(answer.calls) and len(answer.references) == 4


async def test_a_budget_holds_back_what_the_last_window_may_take(up, lab):
    window = Window(lab("say:done", max_tokens=50), size=2)
    assert window.ending([400, 300, 200], window.settings) == (window.aggregator, [50, 200])
    answer = await panel(lab, window, *FIVE, budget={"tokens": 20_000}).run("why")
    assert answer.text == "done"
    up.reset()
    with pytest.raises(moakit.BudgetExceeded):
        await panel(lab, window, *FIVE, budget={"tokens": 100}).run("why")
    assert not up.calls


def test_what_does_not_fit_is_said_when_it_is_built():
    with pytest.raises(ShapeError, match="no references to aggregate"):
        Window("demo/editor").shape(0)
    with pytest.raises(ConfigError, match="size = 1 is not a whole number, 2 or more"):
        Window("demo/editor", size=1)
    with pytest.raises(ShapeError, match="one response"):
        Window(moakit.Agent("demo/editor", samples=2))


def test_it_is_made_again_from_its_configuration():
    for layer in (
        Window("demo/editor"),
        Window(Aggregator("demo/editor", prompt="together", fallback="demo/planner"), size=3, deadline=2.5),
        Window(MoA(["demo/planner"], "demo/editor")),
    ):
        again = moakit.from_config(layer.to_config())
        assert again == layer and repr(again) == repr(layer)
    changed = Sequential(Proposers("demo/planner"), Window("demo/editor", size=4)).replace(
        "1.0.0", "demo/skeptic"
    )
    assert changed[1] == Window("demo/skeptic", size=4)
