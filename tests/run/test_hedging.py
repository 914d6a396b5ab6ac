"""A second attempt beside a slow one: sent late, seldom, and one of the two always ends at once."""

import asyncio

import pytest

from moakit import MoA, Sequential
from moakit.errors import BadResponse, ModelTimeout
from moakit.policies import hedge


@pytest.fixture(autouse=True)
def _known_soon(monkeypatch):
    monkeypatch.setattr(hedge, "NEEDED", 3)
    monkeypatch.setattr(hedge, "SHARE", 0.5)


async def warmed(up, lab, behaviour="sleep:0.1+say:quick", runs=4, **settings):
    """Return an ensemble that knows its model's pace: a machine with other work to do is not as slow."""
    up.behaves["m"] = behaviour
    ensemble = Sequential(lab("m"), hedge=True, retries=0, **settings)
    for _ in range(runs):
        await ensemble.run("why")
    return ensemble


async def test_off_by_default(up, lab):
    for _ in range(8):
        await lab("m").run("why")
    up.behaves["m"] = "sleep:0.3+times:9+say:late"
    assert (await lab("m").run("why")).text == "late"
    assert len(up.of("m")) == 9


async def test_a_slow_call_is_asked_a_second_time_and_the_faster_answer_counts(up, lab):
    ensemble = await warmed(up, lab)
    up.behaves["m"] = "hang+times:5+say:second"
    answer = await ensemble.run("why")
    assert answer.text == "second"
    assert answer.response.attempts == 2
    first, second = up.of("m")[-2:]
    await up.idle()
    assert first.status == "aborted"
    assert second.status == "done"
    assert first.aborted_at - second.finished_at < 0.8
    assert [call.status for call in answer.calls] == ["cancelled", "ok"]
    assert answer.calls[0].message == "lab/m: dropped: the other attempt was faster"


async def test_one_in_twenty_by_default(up, lab, monkeypatch):
    monkeypatch.setattr(hedge, "SHARE", 0.05)
    ensemble = await warmed(up, lab, "say:quick", runs=1)
    up.behaves["m"] = "sleep:0.02"
    for _ in range(60):
        await ensemble.run("why")
    assert len(up.of("m")) <= 61 * 1.05


async def test_in_a_stream_the_first_to_speak_is_heard_alone(up, lab):
    up.behaves["m"] = "ttft:0.1+say:quick"
    ensemble = Sequential(lab("m"), hedge=True)
    for _ in range(4):
        async with ensemble.stream("why") as stream:
            assert [text async for text in stream.text] == ["quick"]
    up.behaves["m"] = "ttft:2+times:5+tokens:30+pace:0.005"
    async with ensemble.stream("why") as stream:
        text = "".join([piece async for piece in stream.text])
    assert text == stream.answer.text == " ".join(f"w{n}" for n in range(1, 31))
    assert len(up.of("m")) == 6
    await up.idle()
    assert up.of("m")[4].status == "aborted"


async def test_a_second_attempt_that_fails_does_not_spoil_the_first(up, lab):
    ensemble = await warmed(up, lab)
    up.behaves["m"] = "sleep:0.4+say:first"
    slow = asyncio.ensure_future(ensemble.run("why"))
    await asyncio.sleep(0.05)
    up.behaves["m"] = "status:500"
    answer = await slow
    assert answer.text == "first"
    assert [call.status for call in answer.calls] == ["failed", "ok"]
    assert len(up.of("m")) == 6


async def test_when_both_fail_the_first_error_counts(up, lab):
    ensemble = await warmed(up, lab, timeout=0.4)
    up.behaves["m"] = "hang"
    slow = asyncio.ensure_future(ensemble.run("why"))
    await asyncio.sleep(0.05)
    up.behaves["m"] = "status:500"
    with pytest.raises(ModelTimeout):
        await slow
    assert len(up.of("m")) == 6


async def test_cancelling_the_run_ends_both(up, lab):
    ensemble = await warmed(up, lab)
    up.behaves["m"] = "hang"
    run = asyncio.ensure_future(ensemble.run("why"))
    while len(up.of("m")) < 6:
        await asyncio.sleep(0.005)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await up.idle()
    assert [call.status for call in up.of("m")[-2:]] == ["aborted", "aborted"]


async def test_proposers_are_hedged_too(up, lab):
    up.behaves |= {"a": "sleep:0.1+say:quick", "b": "sleep:0.1", "lead": "sleep:0.1"}
    ensemble = MoA([lab("a"), lab("b")], lab("lead"), hedge=True)
    for _ in range(4):
        await ensemble.run("why")
    up.behaves["a"] = "hang+times:5+say:second"
    answer = await ensemble.run("why")
    assert answer.references[0].text == "second"
    assert not answer.failures[0].cost


async def test_a_failure_is_a_failure(up, lab):
    ensemble = await warmed(up, lab)
    up.behaves["m"] = "status:500"
    with pytest.raises(BadResponse):
        await ensemble.run("why")
    assert len(up.of("m")) == 5
