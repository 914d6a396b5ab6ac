"""A storm of clients that leave at random moments: afterwards nothing is held, and the server works."""

import asyncio
import gc
import random
import time

import aiohttp
import pytest

from moakit.policies.budget import Budget
from moakit.policies.limits import limiters_of
from tests.server.hosting import configured, hosted
from tests.server.serving import KEY

CLIENTS, SECONDS = 60, 3.0
NEXT = 30
BOUND = 4 * 1.0
"""Seconds within which everything is given back: four times what is promised."""


def ensembles(settings):
    """Return a panel that answers, and ones that wait in each of its phases."""
    panel = {"proposers": ["lab/one", "lab/two", "lab/three"], "aggregator": "lab/lead", **settings}
    return {
        "panel": panel,
        "proposing": {**panel, "proposers": ["lab/one", "lab/silent", "lab/mute"]},
        "aggregating": {**panel, "aggregator": "lab/paced"},
    }


def held(served):
    """Return what the server holds; called on its loop."""
    limiters = limiters_of(served.loop)
    budgets = [found for found in gc.get_objects() if type(found) is Budget and "storm" in found.name]
    return {
        "permits": sum(limiter.in_flight for limiter in limiters),
        "waiting": sum(limiter.waiting for limiter in limiters),
        "places": served.load.admission.running + served.load.admission.waiting,
        "key": served.load.shares["storm"].running,
        "reserved": sum(budget.reserved.tokens for budget in budgets),
        "tasks": len(asyncio.all_tasks(served.loop)),
    }


async def looked(served):
    async def look():
        return held(served)

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(look(), served.loop))


async def ask(session, served, model, *, stream):
    """Return the status and the body of one request."""
    body = {"model": model, "messages": [{"role": "user", "content": "why"}], "stream": stream}
    async with session.post(f"{served.base_url}/chat/completions", json=body) as response:
        return response.status, await response.read()


async def come_and_go(session, served, chance, end):
    """Ask and leave, again and again; return how often it left."""
    left = 0
    while time.monotonic() < end:
        model, stream = chance.choice(("panel", "proposing", "aggregating")), chance.random() < 0.5
        try:
            async with asyncio.timeout(chance.expovariate(1 / chance.choice((0.02, 0.2, 1)))):
                status, _ = await ask(session, served, model, stream=stream)
            assert status in (200, 429, 503)
        except TimeoutError:
            left += 1
        await asyncio.sleep(chance.uniform(0, 0.1))
    return left


@pytest.mark.parametrize(
    ("limits", "settings"), [({}, {"hedge": True}), ({"concurrency": 4, "tokens_per_minute": 10**9}, {})]
)
async def test_after_a_storm_of_cancellations_nothing_is_held(up, limits, settings):
    up.behaves |= {"one": "sleep:0.01", "two": "sleep:0.02", "silent": "hang", "mute": "hang_after:1"}
    up.behaves["paced"] = "tokens:40+pace:0.05"
    lab = {"base_url": up.base_url, "api_key": "${LAB_KEY}", "price": 0, **limits}
    key = {"key": KEY, "name": "storm", "concurrency": 55, "budget": {"tokens": 10**12}}
    config = configured(
        up,
        providers={"lab": lab},
        ensembles=ensembles(settings),
        keys=[key],
        concurrency=40,
        queue=20,
    )
    headers = {"authorization": f"Bearer {KEY}"}
    with hosted(config) as served:
        before = await looked(served)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            end = time.monotonic() + SECONDS
            storm = (come_and_go(session, served, random.Random(seed), end) for seed in range(CLIENTS))
            left = await asyncio.gather(*storm)
            assert sum(left) > CLIENTS
            assert sum(call.status == "aborted" for call in up.calls) > 4

            quiet = time.monotonic() + BOUND
            await up.idle(BOUND)
            while (found := await looked(served)) != before:
                assert time.monotonic() < quiet, found
                await asyncio.sleep(0.01)
            asked = (ask(session, served, "panel", stream=bool(number % 2)) for number in range(NEXT))
            answers = await asyncio.gather(*asked)
    assert [status for status, _ in answers] == [200] * NEXT
    assert all(b"lead #" in body for _, body in answers[::2])
    assert all(b"[DONE]" in body for _, body in answers[1::2])
