"""What becomes of a run whose failed proposers are replaced, on real sockets."""

import asyncio
import time

import pytest

import moakit
from moakit import (
    CallFailed,
    CallFinished,
    CallStarted,
    Delta,
    LayerFinished,
    MoA,
    NotEnoughResponses,
    Proposers,
)
from tests.lab import references_in, until

FAULTS = [
    "status:401", "status:503", "status:429", "retry_after:600", "empty", "blank", "null", "filter",
    "error200", "notjson", "close", "reset", "cut:2+tokens:9", "filter400", "code:context_length_exceeded",
]  # fmt: skip
STREAMED = [
    "hang_after:2+tokens:9", "cut:2+tokens:9", "badchunk:1", "error_in_stream:1", "nofinish", "ttft:60",
    "reasoning:hm+null", "comments+hang_after:0",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_proposer_that_failed_in_whatever_way_is_replaced(up, lab, fault):
    ensemble = MoA([lab("a"), lab(fault)], lab("lead"), bench=[lab("b")], retries=1, deadline=20)
    answer = await ensemble.run("why")
    assert references_in(up.of("lead")[0]) == ["a #1: why", "b #1: why"]
    assert answer.degraded and [call.path for call in answer.failures] == ["0.1"]


@pytest.mark.parametrize("fault", STREAMED)
async def test_a_stream_that_failed_in_whatever_way_is_replaced(up, lab, fault):
    settings = {"first_token": 0.3, "idle": 0.3, "retries": 0}
    answer = await MoA([lab("a"), lab(fault)], lab("lead"), bench=[lab("b")], **settings).run("why")
    assert references_in(up.of("lead")[0]) == ["a #1: why", "b #1: why"]
    assert [call.path for call in answer.failures] == ["0.1"]


async def test_a_silent_proposer_is_replaced_when_its_time_is_up(up, lab):
    answer = await MoA([lab("a"), lab("hang", timeout=0.2)], lab("lead"), bench=[lab("b")]).run("why")
    assert [reference.path for reference in answer.references] == ["0.0", "0.2"]


async def test_a_nested_ensemble_that_took_too_long_is_replaced(up, lab):
    inner = moakit.Sequential(lab("hang"), deadline=0.2)
    answer = await MoA([lab("a"), inner], lab("lead"), bench=[lab("b")]).run("why")
    assert [reference.path for reference in answer.references] == ["0.0", "0.2"]
    assert answer.degraded


async def test_the_stand_in_begins_at_once_and_beside_the_others(up, lab):
    team = [lab("sleep:0.4"), lab("status:401")]
    await MoA(team, lab("lead"), bench=[lab("b+sleep:0.1")]).run("why")
    assert up.of("b+sleep:0.1")[0].finished_at < up.of("sleep:0.4")[0].finished_at


@pytest.mark.parametrize("proposers", [False, True])
async def test_the_events_show_the_failure_and_the_stand_in_at_its_own_address(up, lab, proposers):
    ensemble = MoA([lab("a"), lab("status:401")], lab("lead"), bench=[lab("say:one_two")])
    async with ensemble.stream("why", proposers=proposers) as stream:
        events = [event async for event in stream]
    told = [type(event) for event in events if event.path == "0.2" and type(event) is not Delta]
    assert told == [CallStarted, CallFinished]
    order = [(type(event), event.path) for event in events]
    assert order.index((CallFailed, "0.1")) < order.index((CallStarted, "0.2"))
    (finished,) = (event for event in events if type(event) is LayerFinished and event.path == "0")
    assert [response.path for response in finished.responses] == ["0.0", "0.2"] and finished.dropped == 0
    text = "".join(event.text for event in events if type(event) is Delta and event.path == "0.2")
    assert text == ("one two" if proposers else "")


async def test_a_stand_in_that_streams_nothing_more_is_replaced_unseen(up, lab):
    ensemble = MoA([lab("status:401")], lab("lead"), bench=[lab("tokens:9+cut:2"), lab("b")], retries=0)
    async with ensemble.stream("why", proposers=True) as stream:
        text = "".join([text async for text in stream.text])
    assert text == stream.answer.text and references_in(up.of("lead")[0]) == ["b #1: why"]


async def test_leaving_during_a_stand_ins_call_leaves_nothing_open(up, lab):
    ensemble = MoA(
        [lab("a"), lab("status:401"), lab("reset")], lab("lead"), bench=[lab("hang")] * 2, retries=0
    )
    async with ensemble.stream("why") as stream:
        started = 0
        async for event in stream:
            started += type(event) is CallStarted and event.path in ("0.3", "0.4")
            if started == 2:
                break
        await until(lambda: len(up.open) == 2)
    await up.idle(1)
    assert [call.status for call in up.of("hang")] == ["aborted"] * 2


async def test_cancelling_at_any_moment_leaves_nothing_open(up, lab):
    ensemble = MoA([lab("status:401"), lab("reset")], lab("hang"), bench=[lab("empty"), lab("b")], retries=0)
    for step in range(40):
        task = asyncio.create_task(ensemble.run("why"))
        await asyncio.sleep(step / 2000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await up.idle(1)


async def test_a_layers_deadline_holds_for_its_stand_ins(up, lab):
    team = Proposers(lab("a"), lab("status:401"), bench=[lab("hang")], deadline=0.3)
    began = time.monotonic()
    answer = await moakit.Sequential(team, lab("lead")).run("why")
    assert 0.3 <= time.monotonic() - began < 1.2
    assert [reference.path for reference in answer.references] == ["0.0"]
    assert [(call.path, call.status) for call in answer.failures] == [("0.1", "failed"), ("0.2", "cancelled")]
    assert "the layer's time was up" in answer.failures[1].message


async def test_nobody_stands_in_when_the_layers_time_is_up(up, lab):
    inner = moakit.Sequential(lab("hang"), deadline=0.3)
    team = Proposers(inner, bench=[lab("b")], deadline=0.3)
    with pytest.raises(NotEnoughResponses):
        await moakit.Sequential(team, lab("lead")).run("why")
    assert not up.of("b")


async def test_runs_at_once_have_each_the_whole_bench(up, lab):
    ensemble = MoA([lab("a"), lab("status:401")], lab("lead"), bench=[lab("b")], retries=0)
    answers = await asyncio.gather(*[ensemble.run("why") for _ in range(30)])
    assert {tuple(response.path for response in answer.references) for answer in answers} == {("0.0", "0.2")}
    assert len(up.of("b")) == 30


async def test_with_one_failed_a_straggler_is_not_waited_for_to_the_end(up, lab):
    ensemble = MoA([lab("status:401"), lab("a"), lab("hang")], lab("lead"), grace=0.3, deadline=60)
    answer = await ensemble.run("why")
    assert 0.3 <= answer.duration < 6
    assert [reference.path for reference in answer.references] == ["0.1"]
    assert "the quorum was there" in answer.failures[1].message


async def test_with_one_failed_the_others_still_have_their_grace(up, lab):
    ensemble = MoA([lab("status:401"), lab("a"), lab("b+sleep:0.2")], lab("lead"), grace=5)
    assert len((await ensemble.run("why")).references) == 2


async def test_with_one_failed_as_many_as_the_minimum_are_waited_for(up, lab):
    ensemble = MoA([lab("status:401"), lab("a"), lab("b+sleep:0.3")], lab("lead"), grace=0, minimum=2)
    assert len((await ensemble.run("why")).references) == 2


async def test_a_quorum_that_was_set_is_waited_for_whatever_fails(up, lab):
    team = Proposers(lab("status:401"), lab("a"), lab("hang"), quorum=2, grace=0, deadline=0.4)
    answer = await moakit.Sequential(team, lab("lead")).run("why")
    assert answer.duration >= 0.4 and "the layer's time was up" in answer.failures[1].message
