"""Requests and tokens a minute, and calls at once; a minute is short here."""

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager

import pytest

from moakit.models.providers import Endpoint
from moakit.policies import limits
from moakit.policies.limits import Limiter, Window, limiter_for

MINUTE = 0.3


@pytest.fixture(autouse=True)
def _short_minute(monkeypatch):
    monkeypatch.setattr(limits, "MINUTE", MINUTE)


def endpoint(**settings):
    return Endpoint(**{"name": "lab", "base_url": "http://127.0.0.1/v1"} | settings)


@asynccontextmanager
async def held(limiter, tokens):
    permit = await limiter.acquire(tokens)
    try:
        yield permit
    finally:
        permit.release()


async def admitted(limiter, *amounts, hold=0.0):
    """Ask for all permits at once; return when each was given, in seconds from the first."""
    loop = asyncio.get_running_loop()
    times = {}

    async def call(place, amount):
        async with held(limiter, amount):
            times[place] = loop.time()
            await asyncio.sleep(hold)

    await asyncio.gather(*(call(place, amount) for place, amount in enumerate(amounts)))
    first = min(times.values())
    return [times[place] - first for place in range(len(amounts))]


def test_a_window_has_room_for_its_limit():
    window = Window(3)
    for at in (0, 0.1, 0.1):
        assert window.delay(1, at) == 0
        window.take(1, at)
    assert window.delay(1, 0.2) == pytest.approx(MINUTE - 0.2)
    assert window.delay(2, 0.2) == pytest.approx(MINUTE - 0.1)
    assert window.delay(1, MINUTE) == 0


def test_more_than_the_limit_fits_into_an_empty_window():
    window = Window(3)
    assert window.delay(10, 0) == 0
    window.take(10, 0)
    assert window.delay(1, 0.1) == pytest.approx(MINUTE - 0.1)
    assert window.delay(10, MINUTE) == 0


def test_a_settled_amount_counts_as_what_it_was():
    window = Window(100)
    entry = window.take(90, 0)
    assert window.delay(20, 0) > 0
    window.settle(entry, 30)
    assert window.delay(70, 0) == 0
    assert window.delay(71, 0) > 0


def test_an_amount_settled_late_does_not_count_twice():
    window = Window(100)
    entry = window.take(90, 0)
    assert window.delay(100, MINUTE) == 0
    window.settle(entry, 30)
    window.take(100, MINUTE)
    assert window.delay(1, MINUTE) == pytest.approx(MINUTE)
    assert window.delay(100, 2 * MINUTE) == 0


async def test_requests_a_minute():
    times = await admitted(Limiter(endpoint(requests_per_minute=2)), 1, 1, 1, 1, 1)
    assert times[1] < MINUTE * 0.9 <= times[2] and times[4] >= MINUTE * 1.9


async def test_tokens_a_minute():
    times = await admitted(Limiter(endpoint(tokens_per_minute=100)), 60, 40, 1)
    assert times[1] < MINUTE * 0.9 <= times[2]


async def test_calls_at_once():
    times = await admitted(Limiter(endpoint(concurrency=2)), 1, 1, 1, 1, hold=0.2)
    assert max(times[:2]) < 0.19 <= min(times[2:])


async def test_callers_are_served_in_the_order_they_came():
    limiter = Limiter(endpoint(requests_per_minute=2, tokens_per_minute=100, concurrency=3))
    served = []

    async def call(place, amount):
        async with held(limiter, amount):
            served.append(place)

    await asyncio.gather(*(call(place, amount) for place, amount in enumerate((90, 50, 1, 1, 60))))
    assert served == [0, 1, 2, 3, 4]


async def test_tokens_that_were_not_used_make_room_at_once(monkeypatch):
    monkeypatch.setattr(limits, "MINUTE", 60)
    limiter = Limiter(endpoint(tokens_per_minute=100))
    async with held(limiter, 100) as permit:
        waiting = asyncio.create_task(admitted(limiter, 60))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        permit.settle(30)
        async with asyncio.timeout(5):
            await waiting


async def test_more_tokens_than_expected_count_as_well():
    loop = asyncio.get_running_loop()
    limiter = Limiter(endpoint(tokens_per_minute=100))
    started = loop.time()
    async with held(limiter, 10) as permit:
        permit.settle(100)
    await admitted(limiter, 10)
    assert loop.time() - started > MINUTE * 0.95


async def test_without_a_token_limit_there_is_nothing_to_settle():
    async with held(Limiter(endpoint(concurrency=1)), 10) as permit:
        permit.settle(1000)


@pytest.mark.parametrize("limit", ["requests_per_minute", "concurrency"])
async def test_a_cancelled_waiter_leaves_its_place_to_others(limit):
    limiter = Limiter(endpoint(**{limit: 1}))
    async with held(limiter, 1):
        waiting = [asyncio.create_task(admitted(limiter, 1)) for _ in range(3)]
        await asyncio.sleep(0.02)
        for task in waiting[:2]:
            task.cancel()
        ended = await asyncio.gather(*waiting[:2], return_exceptions=True)
        assert [type(error) for error in ended] == [asyncio.CancelledError] * 2
    async with asyncio.timeout(5):
        await waiting[2]


async def test_a_cancelled_call_gives_back_its_place():
    limiter = Limiter(endpoint(concurrency=1))
    calling = asyncio.create_task(admitted(limiter, 1, hold=5))
    await asyncio.sleep(0.02)
    calling.cancel()
    async with asyncio.timeout(5):
        await admitted(limiter, 1)


async def test_a_failed_call_gives_back_its_place():
    limiter = Limiter(endpoint(concurrency=1))
    with pytest.raises(KeyError):
        async with held(limiter, 1):
            raise KeyError
    async with asyncio.timeout(5):
        await admitted(limiter, 1)


@pytest.mark.parametrize("place", [None, endpoint(), endpoint(local=True)])
async def test_a_provider_without_limits_has_no_limiter(place):
    assert limiter_for(place) is None


async def test_one_provider_has_one_limiter():
    assert limiter_for(endpoint(concurrency=1)) is limiter_for(endpoint(concurrency=1)) is not None


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
    assert limiter_for(endpoint(**{"concurrency": 1} | other)) is not limiter_for(endpoint(concurrency=1))


def test_a_loop_that_has_ended_is_not_kept():
    def loop_of_a_run():
        async def run():
            limiter = limiter_for(endpoint(concurrency=1, requests_per_minute=99))
            await admitted(limiter, 1, 1, 1)
            return weakref.ref(asyncio.get_running_loop())

        return asyncio.run(run())

    ended, _ = loop_of_a_run(), loop_of_a_run()
    gc.collect()
    assert ended() is None
