"""A provider's limits on a real loop; a minute is short here."""

import asyncio
import gc
import random
import weakref
from contextlib import asynccontextmanager

import pytest

from moakit.errors import RateLimited
from moakit.models.providers import Endpoint
from moakit.policies import adaptive, windows
from moakit.policies.limits import Limiter, limiter_for, limiters_of
from tests.lab import until

MINUTE = 0.3


@pytest.fixture(autouse=True)
def _short_minute(monkeypatch):
    monkeypatch.setattr(windows, "MINUTE", MINUTE)


def endpoint(**settings):
    return Endpoint(**{"name": "lab", "base_url": "http://127.0.0.1/v1"} | settings)


def limited(**settings):
    return Limiter(endpoint(**settings), asyncio.get_running_loop())


@asynccontextmanager
async def called(limiter, tokens=0, run_id="a", remaining=100.0):
    permit = await limiter.acquire(tokens, run_id=run_id, remaining=remaining)
    try:
        yield permit
    finally:
        permit.release()


async def admitted(limiter, *amounts, hold=0.0):
    """Ask for all permits at once; return when each was given, in seconds from the first."""
    loop = asyncio.get_running_loop()
    times = {}

    async def call(place, amount):
        async with called(limiter, amount):
            times[place] = loop.time()
            await asyncio.sleep(hold)

    await asyncio.gather(*(call(place, amount) for place, amount in enumerate(amounts)))
    first = min(times.values())
    return [times[place] - first for place in range(len(amounts))]


def cut(limiter, in_flight):
    """Let a provider refuse one of so many calls in flight, and end them all."""
    permits = [limiter.try_acquire() for _ in range(in_flight)]
    for permit in permits:
        permit.refused()
    for permit in permits:
        permit.release()


def empty(limiter):
    return limiter.in_flight == 0 and limiter.waiting == 0


async def test_requests_a_minute():
    times = await admitted(limited(requests_per_minute=2), 1, 1, 1, 1, 1)
    assert times[1] < MINUTE * 0.9 <= times[2] and times[4] >= MINUTE * 1.9


async def test_tokens_a_minute():
    times = await admitted(limited(tokens_per_minute=100), 60, 40, 1)
    assert times[1] < MINUTE * 0.9 <= times[2]


async def test_calls_at_once():
    times = await admitted(limited(concurrency=2), 1, 1, 1, 1, hold=0.2)
    assert max(times[:2]) < 0.19 <= min(times[2:])


async def test_without_limits_nothing_waits_and_calls_are_counted():
    limiter = limited()
    permits = [limiter.try_acquire() for _ in range(1000)]
    assert limiter.in_flight == 1000 and limiter.waiting == 0 and limiter.cap is None
    for permit in permits:
        permit.succeeded()
        permit.release()
    assert empty(limiter)


async def test_tokens_are_asked_for_where_they_are_limited_alone():
    assert limited(tokens_per_minute=9).counts_tokens
    assert not limited(requests_per_minute=9, concurrency=9).counts_tokens


async def test_a_permit_is_released_once():
    limiter = limited(concurrency=2)
    one, _ = limiter.try_acquire(), limiter.try_acquire()
    one.release()
    one.release()
    assert limiter.in_flight == 1
    assert limiter.try_acquire() is not None and limiter.try_acquire() is None


async def test_a_run_is_served_in_the_order_of_its_calls():
    limiter = limited(requests_per_minute=2, tokens_per_minute=100, concurrency=3)
    order = []

    async def call(place, amount):
        async with called(limiter, amount):
            order.append(place)

    await asyncio.gather(*(call(place, amount) for place, amount in enumerate((90, 50, 1, 1, 60))))
    assert order == [0, 1, 2, 3, 4]


async def test_nobody_overtakes_those_who_wait():
    limiter = limited(tokens_per_minute=100)
    async with called(limiter, 60):
        waiting = asyncio.create_task(admitted(limiter, 60))
        await until(lambda: limiter.waiting)
        assert limiter.try_acquire(1) is None
    await waiting


@pytest.mark.parametrize("limits", [{"concurrency": 1}, {"requests_per_minute": 1}])
async def test_a_run_with_many_calls_does_not_starve_one_with_few(limits, monkeypatch):
    monkeypatch.setattr(windows, "MINUTE", 0.05)
    limiter = limited(**limits)
    order = []

    async def call(run_id):
        async with called(limiter, run_id=run_id):
            order.append(run_id)
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        for run_id in "aaaaaabbc":
            group.create_task(call(run_id))
    assert order == ["a", "a", "b", "c", "a", "b", "a", "a", "a"]


async def test_tokens_that_were_not_used_make_room_at_once(monkeypatch):
    monkeypatch.setattr(windows, "MINUTE", 60)
    limiter = limited(tokens_per_minute=100)
    async with called(limiter, 100) as permit:
        waiting = asyncio.create_task(admitted(limiter, 60))
        await until(lambda: limiter.waiting)
        permit.settle(30)
        async with asyncio.timeout(5):
            await waiting


async def test_more_tokens_than_expected_count_as_well():
    loop = asyncio.get_running_loop()
    limiter = limited(tokens_per_minute=100)
    started = loop.time()
    async with called(limiter, 10) as permit:
        permit.settle(100)
    await admitted(limiter, 10)
    assert loop.time() - started > MINUTE * 0.95


async def test_without_a_token_limit_there_is_nothing_to_settle():
    async with called(limited(concurrency=1), 10) as permit:
        permit.settle(1000)


async def test_what_was_never_sent_was_never_counted():
    limiter = limited(requests_per_minute=1, tokens_per_minute=10, concurrency=1)
    for _ in range(3):
        limiter.try_acquire(10).withdraw()
    assert limiter.try_acquire(10) is not None and limiter.in_flight == 1


async def test_a_429_cuts_the_calls_at_once_and_successes_raise_them():
    limiter = limited()
    cut(limiter, 10)
    assert limiter.cap == 7
    permits = [limiter.try_acquire() for _ in range(8)]
    assert permits.pop() is None and limiter.in_flight == 7
    for permit in permits:
        permit.succeeded()
        permit.release()
    permits = [limiter.try_acquire() for _ in range(8)]
    permits[-1].succeeded()
    assert limiter.cap == 8 and limiter.try_acquire() is None


async def test_the_calls_that_waited_go_on_when_the_cap_is_lifted(monkeypatch):
    monkeypatch.setattr(adaptive, "QUIET", MINUTE)
    limiter = limited()
    cut(limiter, 1)
    async with asyncio.timeout(5), called(limiter):
        # The first of them never ends: only the minute without a 429 lets these go on.
        await admitted(limiter, *[0] * 20)
    assert limiter.cap is None and empty(limiter)


async def test_a_configured_concurrency_stays_the_upper_bound():
    limiter = limited(concurrency=3)
    cut(limiter, 3)
    assert limiter.cap == 2
    for _ in range(100):
        permit = limiter.try_acquire()
        permit.succeeded()
        permit.release()
    assert limiter.cap is None
    assert [limiter.try_acquire() is None for _ in range(4)] == [False, False, False, True]


async def test_a_call_that_cannot_be_in_time_is_refused_at_once():
    limiter = limited(requests_per_minute=2)
    for _ in range(2):
        limiter.try_acquire().release()
    with pytest.raises(RateLimited) as caught:
        await limiter.acquire(run_id="a", remaining=0.1, model="lab/small")
    error = caught.value
    assert str(error).startswith("lab/small: `requests_per_minute = 2` of 'lab' leaves no room for 0.3 s,")
    assert error.should_retry is False and error.status is None and "`deadline`" in error.hint
    assert 0.1 < error.retry_after <= MINUTE
    assert empty(limiter)


async def test_those_who_wait_already_are_counted_in():
    limiter = limited(requests_per_minute=1)
    limiter.try_acquire().release()
    waiting = [asyncio.create_task(admitted(limiter, 0)) for _ in range(2)]
    await until(lambda: limiter.waiting == 2)
    with pytest.raises(RateLimited) as caught:
        await limiter.acquire(run_id="a", remaining=2 * MINUTE)
    assert 2 * MINUTE < caught.value.retry_after <= 3 * MINUTE
    # Another run has its turn before the second of the first run.
    async with called(limiter, run_id="b", remaining=2 * MINUTE):
        pass
    await asyncio.gather(*waiting)


async def test_used_tokens_refuse_a_call_that_cannot_be_in_time():
    limiter = limited(tokens_per_minute=100)
    limiter.try_acquire(100).release()
    with pytest.raises(RateLimited, match="`tokens_per_minute = 100` of"):
        await limiter.acquire(1, run_id="a", remaining=0.1)


async def test_expected_tokens_refuse_nothing():
    limiter = limited(tokens_per_minute=100)
    async with called(limiter, 100) as permit:
        waiting = asyncio.create_task(limiter.acquire(60, run_id="a", remaining=0.01))
        await until(lambda: limiter.waiting)
        permit.settle(10)
        (await waiting).release()


@pytest.mark.parametrize("limit", ["requests_per_minute", "concurrency"])
async def test_a_cancelled_waiter_leaves_its_place_to_others(limit):
    limiter = limited(**{limit: 1})
    async with called(limiter):
        leaving, staying, *others = (asyncio.create_task(admitted(limiter, 1)) for _ in range(4))
        await until(lambda: limiter.waiting == 4)
        for task in (leaving, *others):
            task.cancel()
        ended = await asyncio.gather(leaving, *others, return_exceptions=True)
        assert [type(error) for error in ended] == [asyncio.CancelledError] * 3
        assert limiter.waiting == 1
    async with asyncio.timeout(5):
        await staying


async def test_a_call_cancelled_as_its_turn_comes_gives_everything_back():
    limiter = limited(requests_per_minute=2, tokens_per_minute=100, concurrency=1)
    first = limiter.try_acquire(0)
    waiting = asyncio.create_task(limiter.acquire(100, run_id="a", remaining=9))
    await until(lambda: limiter.waiting)
    first.release()  # its permit is there now, but its task has not been told
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert empty(limiter)
    assert limiter.try_acquire(100) is not None


async def test_a_failed_call_gives_back_its_place():
    limiter = limited(concurrency=1)
    with pytest.raises(KeyError):
        async with called(limiter):
            raise KeyError
    assert empty(limiter)


LIMITS = [
    {"concurrency": 3},
    {"requests_per_minute": 20},
    {"tokens_per_minute": 500},
    {"concurrency": 2, "requests_per_minute": 30, "tokens_per_minute": 1000},
    {},
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limits", LIMITS)
async def test_random_cancellations_leave_nothing_behind(limits, seed, monkeypatch):
    monkeypatch.setattr(windows, "MINUTE", 0.05)
    monkeypatch.setattr(adaptive, "QUIET", 0.05)
    chance = random.Random(seed)
    limiter = limited(**limits)
    most = limits.get("concurrency", 10**9)
    crowded = 0

    async def call(run_id):
        nonlocal crowded
        async with called(limiter, chance.randrange(300), run_id) as permit:
            crowded = max(crowded, limiter.in_flight)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.005]))
            permit.settle(chance.randrange(300))
            outcome = chance.choice([permit.refused, permit.succeeded, permit.succeeded])
            outcome()

    tasks = []
    for _ in range(300):
        tasks.append(asyncio.create_task(call(chance.choice("abcd"))))
        if chance.random() < 0.7:
            chance.choice(tasks).cancel()
        if chance.random() < 0.3:
            await asyncio.sleep(chance.choice([0, 0, 0, 0.001]))
    while any(not task.done() for task in tasks):
        for task in tasks:
            if chance.random() < 0.1:
                task.cancel()
        await asyncio.sleep(0.001)
    for task in tasks:
        assert task.cancelled() or task.exception() is None
    assert empty(limiter) and 0 < crowded <= most
    await asyncio.sleep(0.06)
    # Everything the limits allow is free again, no more and no less.
    free = min(most, limits.get("requests_per_minute", 50))
    permits = [limiter.try_acquire(5) for _ in range(free)]
    assert all(permits) and limiter.in_flight == free
    if limits.keys() & {"concurrency", "requests_per_minute"}:
        assert limiter.try_acquire(5) is None
    for permit in permits:
        permit.release()
    assert empty(limiter)


async def test_cancelled_waiters_take_no_requests_and_no_tokens(monkeypatch):
    monkeypatch.setattr(windows, "MINUTE", 60)
    limiter = limited(requests_per_minute=10, tokens_per_minute=1000, concurrency=1)
    holding = limiter.try_acquire(100)
    waiting = [asyncio.create_task(limiter.acquire(100, run_id="a", remaining=9)) for _ in range(9)]
    await until(lambda: limiter.waiting == 9)
    for task in waiting:
        task.cancel()
    holding.release()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert empty(limiter)
    for _ in range(9):
        limiter.try_acquire(100).release()
    assert limiter.try_acquire(0) is None


async def test_no_alarm_is_left_when_nobody_waits(monkeypatch):
    monkeypatch.setattr(windows, "MINUTE", 60)
    limiter = limited(requests_per_minute=1)
    limiter.try_acquire().release()
    waiting = asyncio.create_task(limiter.acquire(run_id="a", remaining=100))
    await until(lambda: limiter.waiting)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert limiter._alarm is None  # noqa: SLF001 - nothing else shows it


async def test_a_demo_model_has_no_limiter():
    assert limiter_for(None, asyncio.get_running_loop()) is None


async def test_one_provider_has_one_limiter():
    loop = asyncio.get_running_loop()
    limiter = limiter_for(endpoint(concurrency=1), loop)
    assert limiter_for(endpoint(concurrency=1), loop) is limiter
    assert limiters_of(loop) == (limiter,) and limiter.name == "lab"


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other"},
        {"api_key": "k"},
        {"base_url": "http://b"},
        {"concurrency": 2},
        {"requests_per_minute": 9},
    ],
)
async def test_another_provider_key_or_limit_has_its_own(other):
    loop = asyncio.get_running_loop()
    one = limiter_for(endpoint(concurrency=1), loop)
    assert limiter_for(endpoint(**{"concurrency": 1} | other), loop) is not one


def test_a_loop_that_has_ended_is_not_kept():
    def loop_of_a_run():
        async def run():
            loop = asyncio.get_running_loop()
            limiter = limiter_for(endpoint(concurrency=1, requests_per_minute=99), loop)
            await admitted(limiter, 1, 1, 1)
            return weakref.ref(loop)

        return asyncio.run(run())

    ended, _ = loop_of_a_run(), loop_of_a_run()
    gc.collect()
    assert ended() is None
