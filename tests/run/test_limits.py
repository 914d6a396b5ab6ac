"""Runs on a provider with limits, its own or those its 429s show."""

import asyncio
import time

import pytest

import moakit
from moakit.policies import adaptive
from moakit.policies.limits import limiters_of
from tests.lab import until


def lab_with(up, **limits):
    return moakit.Provider("lab", base_url=up.base_url, api_key="k", price=0, **limits)


def the_limiter():
    (limiter,) = limiters_of(asyncio.get_running_loop())
    return limiter


def empty(limiter):
    return limiter.in_flight == 0 and limiter.waiting == 0


async def all_of(agents, deadline=None):
    """Run every agent on its own, all at once; return the answers."""
    return await asyncio.gather(*(moakit.Sequential(agent, deadline=deadline).run("hi") for agent in agents))


async def test_a_refused_call_takes_no_tokens(up):
    lab = lab_with(up, tokens_per_minute=800)
    async with asyncio.timeout(5):
        answer = await lab("status:503+times:1+say:a").run("hi")
    assert answer.text == "a" and answer.response.attempts == 2


async def test_without_limits_calls_are_made_all_at_once(up, lab):
    await all_of([lab("sleep:0.8")] * 60)
    assert up.peak > 50 and the_limiter().cap is None


async def test_a_429_cuts_the_calls_at_once_and_they_recover(up, lab):
    answers = await all_of([*[lab("sleep:0.8")] * 9, lab("status:429+times:1+sleep:0.3")])
    limiter = the_limiter()
    # Ten calls were in flight at the 429; what the other nine gave says nothing of the time since.
    assert limiter.cap == 7 and answers[-1].response.attempts == 2
    up.reset()
    await all_of([lab("sleep:0.02")] * 20)
    assert up.peak <= 9 and limiter.cap == 9
    await all_of([lab("sleep:0.001")] * 250)
    assert limiter.cap is None and empty(limiter)
    up.reset()
    await all_of([lab("sleep:0.8")] * 60)
    assert up.peak > 50


async def test_a_minute_without_a_429_ends_the_cut(up, lab, monkeypatch):
    monkeypatch.setattr(adaptive, "QUIET", 0.3)
    await lab("status:429+times:1+say:a").run("hi")
    assert the_limiter().cap == 2
    up.reset()
    started = time.monotonic()
    await all_of([lab("sleep:0.5")] * 20)
    assert up.peak > 10 and time.monotonic() - started < 4


async def test_a_provider_that_refuses_is_asked_by_fewer_and_fewer(up, lab):
    calls = [lab(f"sleep:0.02+status:429+times:2+say:{number}") for number in range(20)]
    answers = await all_of(calls)
    assert [answer.response.attempts for answer in answers] == [3] * 20
    assert 1 <= the_limiter().cap <= 14 and empty(the_limiter())


async def test_other_failures_do_not_cut(up, lab):
    await all_of([lab(f"status:503+times:1+say:{number}") for number in range(5)])
    assert the_limiter().cap is None


@pytest.mark.parametrize("limits", [{"concurrency": 1}, {"concurrency": 2, "requests_per_minute": 1000}])
async def test_a_run_with_many_waiting_calls_does_not_starve_one_with_one(up, limits):
    lab = lab_with(up, **limits)
    crowd = moakit.MoA([lab("crowd+sleep:0.02")] * 40, lab("lead"), strict=True)
    running = asyncio.create_task(crowd.run("hi"))
    await until(lambda: limiters_of(asyncio.get_running_loop()) and the_limiter().waiting >= 38)
    answer = await lab("alone").run("hi")
    before = len(up.calls)
    assert answer.text and before < 12
    assert len((await running).references) == 40 and empty(the_limiter())


async def test_a_call_that_cannot_be_in_time_is_refused_at_once(up):
    lab = lab_with(up, requests_per_minute=1)
    await lab("a").run("hi")
    started = time.monotonic()
    with pytest.raises(moakit.RateLimited) as caught:
        await moakit.Sequential(lab("b"), deadline=20).run("hi")
    assert time.monotonic() - started < 4
    error = caught.value
    assert "lab/b: `requests_per_minute = 1` of 'lab'" in str(error) and "deadline" in error.hint
    assert 50 < error.retry_after <= 60 and error.should_retry is False
    assert [call.model for call in up.calls] == ["a"] and empty(the_limiter())


async def test_a_proposer_that_cannot_be_in_time_is_dropped(up):
    lab = lab_with(up, requests_per_minute=2)
    other = moakit.Provider("other", base_url=up.base_url, api_key="k", price=0)
    ensemble = moakit.MoA([lab("a"), lab("b"), lab("c")], other("lead"), deadline=30)
    answer = await ensemble.run("hi")
    assert len(answer.references) == 2 and answer.degraded
    (failure,) = answer.failures
    assert (failure.path, failure.error, failure.status) == ("0.2", "RateLimited", "failed")
    assert answer.duration < 10


async def test_a_fallback_stands_in_for_a_provider_without_room(up):
    lab = lab_with(up, requests_per_minute=1)
    other = moakit.Provider("other", base_url=up.base_url, api_key="k", price=0)
    agent = moakit.Sequential(moakit.Agent(lab("a").bound, fallback=other("b+say:stood_in")), deadline=30)
    await agent.run("hi")
    assert (await agent.run("hi")).text == "stood in"


async def test_a_deadline_that_passes_while_a_call_waits_leaves_no_place_behind(up):
    lab = lab_with(up, concurrency=1)
    running = asyncio.create_task(lab("hang").run("hi"))
    await until(lambda: up.open)
    with pytest.raises(moakit.DeadlineExceeded):
        await moakit.Sequential(lab("a"), deadline=0.1).run("hi")
    assert the_limiter().waiting == 0 and the_limiter().in_flight == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await lab("a").run("hi")).text and empty(the_limiter())


@pytest.mark.parametrize("limits", [{}, {"concurrency": 7}, {"concurrency": 7, "tokens_per_minute": 10**6}])
async def test_two_hundred_cancelled_calls_leave_the_limiter_empty(up, limits):
    lab = lab_with(up, **limits)
    tasks = [asyncio.create_task(lab("hang").run("hi")) for _ in range(200)]
    most = limits.get("concurrency", 200)
    await until(lambda: len(up.open) == most)
    assert the_limiter().in_flight == most and the_limiter().waiting == 200 - most
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in ended} == {asyncio.CancelledError}
    assert empty(the_limiter())
    await up.idle(4)
    assert len(await all_of([lab("a")] * 30)) == 30
