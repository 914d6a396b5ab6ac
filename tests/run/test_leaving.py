"""Leaving early: whatever is in flight is cancelled, at once and without a trace."""

import asyncio
import time

import pytest

import moakit
from moakit import CallFailed, CallStarted, Delta, MoA, Proposers, Sequential
from tests.lab import lab_on, quiet, until
from tests.upstream import Upstream

BOUND = 4 * 0.25


async def busy(up, count):
    """Wait until that many calls are in flight."""
    await until(lambda: len(up.open) >= count)


@pytest.mark.parametrize("proposers", [False, True])
async def test_leaving_while_proposing_cancels_every_call(up, lab, proposers):
    ensemble = MoA([lab("hang"), lab("hang_after:2"), lab("sleep:60")], lab("lead"))
    async with ensemble.stream("why", proposers=proposers) as stream:
        async for event in stream:
            if type(event) is CallStarted and event.path == "0.2":
                break
        await busy(up, 3)
        left = time.monotonic()
    await up.idle(BOUND)
    assert time.monotonic() - left < BOUND
    assert [call.status for call in up.calls] == ["aborted"] * 3
    assert not up.of("lead")


async def test_leaving_while_aggregating_cancels_the_call(up, lab):
    async with MoA([lab("a"), lab("b")], lab("tokens:500+pace:0.01")).stream("why") as stream:
        async for _ in stream.text:
            break
        left = time.monotonic()
    await up.idle(BOUND)
    assert time.monotonic() - left < BOUND
    assert [call.status for call in up.calls] == ["done", "done", "aborted"]


@pytest.mark.parametrize("lead", ["lead", "hang"])
def test_leaving_a_sync_stream_cancels_every_call(lead):
    with Upstream.in_thread() as up:
        lab = lab_on(up)
        names = ["a", "b"] if lead == "hang" else ["hang", "hang_after:0"]
        with MoA([lab(name) for name in names], lab(lead)).stream("why") as stream:
            wanted = "1.0" if lead == "hang" else "0.1"
            next(event for event in stream if type(event) is CallStarted and event.path == wanted)
            asyncio.run(busy(up, 1))
            left = time.monotonic()
        up.wait_idle(BOUND)
        assert time.monotonic() - left < BOUND
        assert "aborted" in {call.status for call in up.calls}


async def test_an_exception_in_the_block_cancels_every_call_and_is_the_one_that_is_raised(up, lab):
    async def leave():
        async with MoA([lab("hang"), lab("hang")], lab("lead")).stream("why"):
            await busy(up, 2)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await leave()
    await up.idle(BOUND)


async def test_a_cancelled_run_cancels_every_call(up, lab):
    task = asyncio.create_task(MoA([lab("hang"), lab("hang"), lab("a")], lab("lead")).run("why"))
    await busy(up, 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(BOUND)
    assert not up.of("lead")


async def test_a_run_that_times_out_outside_cancels_every_call(up, lab):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await MoA([lab("hang"), lab("hang")], MoA([lab("hang")], lab("lead"))).run("why")
    await up.idle(BOUND)


async def test_cancelling_while_a_retry_is_waited_for_ends_the_wait(up, lab):
    async with MoA([lab("retry_after:60"), lab("a")], lab("lead"), quorum=2).stream("why") as stream:
        async for event in stream:
            if type(event) is moakit.CallRetried:
                break
        left = time.monotonic()
    assert time.monotonic() - left < BOUND


async def test_a_cancelled_call_is_told_before_the_stream_ends(up, lab):
    async with MoA([lab("hang"), lab("hang")], lab("lead")).stream("why") as stream:
        await busy(up, 2)
        stream.cancel()
        failed = [event async for event in stream if type(event) is CallFailed]
    assert [event.path for event in failed] == ["0.0", "0.1"]
    assert all(event.final and "the run was cancelled" in str(event.error) for event in failed)


async def test_leaving_at_any_event_leaves_nothing_behind(up, lab):
    inner = MoA([lab("x"), lab("status:500+should_retry:false")], lab("merge+tokens:3"))
    ensemble = Sequential(
        Proposers(lab("a", samples=2), inner, lab("times:1+status:500+retry_after_ms:1")),
        lab("lead+tokens:5"),
    )
    count = 0
    while True:
        async with ensemble.stream("why", proposers=True) as stream:
            left = 0
            async for _ in stream:
                if left == count:
                    break
                left += 1
            else:
                break
        await up.idle(BOUND)
        await quiet(BOUND)
        up.reset()
        count += 1
    assert count > 20


async def test_leaving_at_any_moment_leaves_nothing_behind(up, lab):
    team = [lab("sleep:0.01+a"), lab("ttft:0.01+b"), lab("tokens:10+pace:0.002")]
    ensemble = MoA(team, lab("tokens:10+pace:0.002"), layers=3)
    for step in range(25):
        task = asyncio.create_task(ensemble.run("why"))
        await asyncio.sleep(step * 0.004)
        task.cancel()
        await asyncio.wait([task])
        await up.idle(BOUND)
        await quiet(BOUND)


async def test_after_a_storm_of_cancellations_the_pool_still_works(up, lab):
    ensemble = MoA([lab("sleep:0.02+a"), lab("b")], lab("tokens:5"))
    storm = [asyncio.create_task(ensemble.run("why")) for _ in range(60)]
    for number, task in enumerate(storm):
        await asyncio.sleep(0.001 if number % 7 == 0 else 0)
        task.cancel()
    await asyncio.gather(*storm, return_exceptions=True)
    await up.idle(BOUND)
    answers = await asyncio.gather(*[ensemble.run("why") for _ in range(30)])
    assert [answer.degraded for answer in answers] == [False] * 30


async def test_a_run_that_is_over_is_not_disturbed_by_leaving(up, lab):
    async with MoA([lab("a")], lab("lead")).stream("why") as stream:
        await until(lambda: stream.ended)
    assert stream.answer.text.startswith("lead #1")
    assert [event async for event in stream if type(event) is Delta]
