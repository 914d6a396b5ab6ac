"""What a run tells: which events, in which order, with which fields."""

import asyncio
import re

import pytest

import moakit
from moakit import (
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    Delta,
    LayerFinished,
    LayerStarted,
    MoA,
    Proposers,
    RunFailed,
    RunFinished,
    RunStarted,
    Sequential,
)
from moakit.events import to_mapping
from moakit.layers import exchange
from moakit.run import attempts, ear, journey, ledger, scope


async def events_of(ensemble, prompt="why", **options):
    async with ensemble.stream(prompt, **options) as stream:
        return [event async for event in stream]


def line(event):
    return f"{type(event).__name__} {event.path}".strip()


async def test_a_run_is_told_in_the_order_it_happens(up, lab):
    ensemble = MoA([lab("a"), lab("b+sleep:0.02")], lab("lead+tokens:2+pace:0.01"), name="panel")
    events = await events_of(ensemble)
    assert [line(event) for event in events] == [
        "RunStarted",
        "LayerStarted 0",
        "CallStarted 0.0",
        "CallStarted 0.1",
        "CallFinished 0.0",
        "CallFinished 0.1",
        "LayerFinished 0",
        "LayerStarted 1",
        "CallStarted 1.0",
        "Delta 1.0",
        "Delta 1.0",
        "CallFinished 1.0",
        "LayerFinished 1",
        "RunFinished",
    ]
    assert (events[0].ensemble, events[1].name, events[7].name) == ("panel", "Proposers", "Aggregator")
    assert (events[2].model, events[2].role) == ("lab/a", "proposer")
    assert (events[8].model, events[8].role) == ("lab/lead+tokens:2+pace:0.01", "aggregator")


async def test_every_event_says_which_run_where_and_when(up, lab):
    events = await events_of(MoA([lab("a+sleep:0.05")], lab("lead")), proposers=True)
    assert len({event.run_id for event in events}) == 1
    assert re.fullmatch(r"run_[0-9a-f]{16}", events[0].run_id)
    assert all(isinstance(event.path, str) for event in events)
    times = [event.at for event in events]
    assert times == sorted(times) and 0 <= times[0] < 0.05 <= times[-1] < 5
    assert events[-1].answer.run_id == events[0].run_id


async def test_responses_stand_in_the_events_as_in_the_answer(up, lab):
    events = await events_of(MoA([lab("a"), lab("b")], lab("lead"), layers=3))
    answer = events[-1].answer
    finished = [event for event in events if type(event) is LayerFinished]
    assert tuple(event.responses for event in finished) == answer.layers
    assert [event.dropped for event in finished] == [0, 0, 0]
    assert [e.response.path for e in events if type(e) is CallFinished] == [
        call.path for call in answer.calls
    ]


async def test_nested_layers_tell_with_their_address(up, lab):
    events = await events_of(MoA([MoA([lab("a")], lab("b")), lab("c", samples=2)], lab("lead")))
    told = [line(event) for event in events]
    assert [entry for entry in told if entry.startswith("LayerStarted")] == [
        f"LayerStarted {path}" for path in ("0", "0.0", "0.0.0", "0.0.1", "1")
    ]
    assert {"CallStarted 0.0.0.0", "CallStarted 0.0.1.0", "CallStarted 0.1#0", "CallStarted 0.1#1"} <= set(
        told
    )


async def test_failures_retries_and_drops_are_told(up, lab):
    team = Proposers(
        lab("status:401"),
        lab("status:500+times:1"),
        lab("empty", fallback=lab("say:second")),
        lab("hang"),
        quorum=2,
        grace=0.1,
    )
    events = await events_of(Sequential(team, lab("lead")))
    failed = {event.path: event for event in events if type(event) is CallFailed and event.final}
    assert {path: type(event.error) for path, event in failed.items()} == {
        "0.0": moakit.AuthenticationFailed,
        "0.3": moakit.CallError,
    }
    assert "the quorum was there" in str(failed["0.3"].error)
    (passed_on,) = [event for event in events if type(event) is CallFailed and not event.final]
    assert passed_on.path == "0.2" and type(passed_on.error) is moakit.BadResponse
    (retried,) = [event for event in events if type(event) is CallRetried]
    assert retried.path == "0.1" and retried.error.status == 500 and 0 < retried.wait < 1
    (layer,) = [event for event in events if type(event) is LayerFinished]
    assert (len(layer.responses), layer.dropped) == (2, 2)


async def test_a_failed_run_ends_in_its_error(up, lab):
    events = await events_of(MoA([lab("status:401")], lab("lead")))
    assert type(events[-1]) is RunFailed and type(events[-1].error) is moakit.NotEnoughResponses
    assert not any(type(event) is RunFinished for event in events)


async def test_every_event_is_plain_data(up, lab):
    ensemble = MoA([lab("status:401"), lab("status:500+times:1")], lab("tool:look", fallback=lab("a")))
    for event in await events_of(ensemble, tools=[{"type": "function", "function": {"name": "look"}}]):
        mapping = to_mapping(event)
        assert mapping["type"] == type(event).__name__
        assert (mapping["run_id"], mapping["path"], mapping["at"]) == (event.run_id, event.path, event.at)
        if "error" in mapping:
            assert mapping["error"].keys() == {"type", "message"}


async def test_without_a_reader_no_event_is_made(up, lab, monkeypatch):
    def never(**fields):
        raise AssertionError(f"an event was made: {fields}")

    names = [
        "RunStarted",
        "LayerStarted",
        "Delta",
        "LayerFinished",
        "RunFinished",
        "RunFailed",
        "CallRetried",
    ]
    for module in (scope, journey, attempts, ear, ledger, exchange):
        for name in (*names, "CallStarted", "CallFinished", "CallFailed"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, never)
    ensemble = MoA([lab("a"), lab("status:500+times:1"), lab("status:401")], lab("lead"), first_token=5)
    assert (await ensemble.run("why")).text
    with pytest.raises(moakit.NotEnoughResponses):
        await MoA([lab("status:401")], lab("lead")).run("why")


async def test_runs_at_once_tell_only_of_themselves(up, lab):
    ensemble = MoA([lab("a"), lab("b")], lab("lead+sleep:0.01"))
    told = await asyncio.gather(*[events_of(ensemble, f"question {number}") for number in range(20)])
    assert len({events[0].run_id for events in told}) == 20
    for number, events in enumerate(told):
        assert {event.run_id for event in events} == {events[0].run_id}
        assert f": question {number}\n" in events[-1].answer.text
        assert type(events[0]) is RunStarted
        assert [event.path for event in events if type(event) is CallStarted] == ["0.0", "0.1", "1.0"]


async def test_deltas_of_the_answer_join_to_its_text_whatever_the_tail_is(up, lab):
    class Last(moakit.Layer):
        async def forward(self, prompt, references, run):
            return references[-1:]

    team = [lab("tokens:7"), lab("think:hm+tokens:5")]
    for ensemble in (
        lab("think:hm+tokens:12"),
        MoA(team, lab("reasoning:hm+tokens:9")),
        MoA(team, MoA(team, lab("tokens:3"))),
        Sequential(Proposers(*team), Last()),
        MoA(team, lab("status:401"), on_no_aggregator="best"),
        MoA(team, lab("status:401", fallback=lab("tokens:4"))),
        Proposers(lab("tokens:4")),
        MoA([lab("status:401")], lab("say:alone"), on_no_references="answer"),
    ):
        for proposers in (False, True):
            events = await events_of(ensemble, proposers=proposers)
            told = [e.text for e in events if type(e) is Delta and e.answer and e.kind == "content"]
            assert "".join(told) == events[-1].answer.text != ""
    assert len([line(event) for event in events if type(event) is LayerStarted]) == 2
