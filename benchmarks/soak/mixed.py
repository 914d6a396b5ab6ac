"""The soak itself: thousands of requests of every kind against models that fail in every way."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.targets import Verdict

from .bench import Bench, held
from .watch import Sample, slope

CLIENTS = 110
"""Clients at once: more than the server has places, so that some wait for theirs."""
ROUNDS, WARM = 25, 0.4
"""How often everybody pauses for a look at the server; the part of the looks that are its warm-up."""
GROWTH = 1.0
"""MB of memory that 10,000 requests may add."""
ENOUGH = 8000
"""Requests after the warm-up that it takes to tell growth from chance."""
IDLE = 65.0
"""Seconds after which a pool has closed the connections that nobody used."""
HEALED = 5.0
"""Seconds within which a model that is back is used again."""


class Soaked(NamedTuple):
    """What was seen."""

    samples: list[Sample]
    became: dict[str, int]
    verdicts: list[Verdict]


async def soak(bench: Bench, requests: int, minutes: float, say: Callable[[str], None]) -> Soaked:
    """Looks at the server between rounds of requests, and once more when all is over."""
    server, clients = bench.server, bench.clients
    began = time.monotonic()
    before = server.descriptors()
    samples: list[Sample] = []
    left: list[str] = []
    for number in range(ROUNDS):
        say(f"mixed faults, {clients.done:,} of {requests:,} requests")
        await _round(bench, requests * (number + 1) // ROUNDS)
        told, there = await server.at_rest(bench.upstream, bench.tasks)
        left.append(held(told, there, bench.tasks))
        seconds = time.monotonic() - began
        sockets, others = server.descriptors()
        samples.append(Sample(clients.done, seconds, server.rss(), others, sockets, told, there))
        if seconds > minutes * 60:
            break
    done = clients.done
    bench.upstream.ask({"faults": False})
    end = time.monotonic() + HEALED
    while time.monotonic() < end:
        # Single requests, so that open breakers have something to probe with.
        await clients.counted(clients.whole("bare"))
        await asyncio.sleep(0.2)
    well = await clients.all_answered("panel", 30) and await clients.all_answered("small", 30)
    healed = await clients.all_answered("bare", 30)
    say("waiting for idle connections to close")
    after = await _closed(bench, before)
    warm = samples[int(len(samples) * WARM) :]
    behind = next((found for found in left if found != "nothing"), "nothing")
    verdicts = [
        Verdict("requests with a wrong answer or none", "0", _some(clients.wrong), not clients.wrong),
        _memory(warm),
        Verdict("held at rest, worst of all looks", "nothing", behind, behind == "nothing"),
        _descriptors(before, after),
        Verdict("the next 60 requests", "whole answers", "yes" if well else "no", well),
        Verdict(
            "30 requests to the models that failed", "all of them answer", "yes" if healed else "no", healed
        ),
        Verdict("requests a second", "", f"{done / samples[-1].seconds:.0f}", met=True),
    ]
    return Soaked(samples, dict(clients.became), verdicts)


async def _round(bench: Bench, until: int) -> None:
    """Has every client ask until there were so many requests."""
    left = until - bench.clients.done

    async def ask() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await bench.clients.any()

    await asyncio.gather(*(ask() for _ in range(CLIENTS)))


async def _closed(bench: Bench, before: tuple[float, float]) -> tuple[float, float]:
    """The descriptors once the idle connections are closed."""
    await bench.clients.close()
    end = time.monotonic() + IDLE
    while (after := bench.server.descriptors()) > before and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return after


def _memory(warm: list[Sample]) -> Verdict:
    growth = slope(warm, "rss")
    measured, met = f"{growth:+.2f} MB", growth < GROWTH
    if math.isnan(growth):
        return Verdict("memory", "", "not known here", None)
    if warm[-1].requests - warm[0].requests < ENOUGH:
        return Verdict("memory a 10,000 requests", "", f"{measured}, but too few to judge", None)
    return Verdict("memory a 10,000 requests, after the warm-up", f"< {GROWTH:g} MB", measured, met)


def _descriptors(before: tuple[float, float], after: tuple[float, float]) -> Verdict:
    name = "descriptors afterwards, sockets and others"
    if math.isnan(sum(before + after)):
        return Verdict(name, "", "not known here", None)
    met = after[0] <= before[0] and after[1] <= before[1]
    return Verdict(name, "as before: {:.0f} + {:.0f}".format(*before), "{:.0f} + {:.0f}".format(*after), met)


def _some(wrong: list[str]) -> str:
    return f"{len(wrong)}: {wrong[0][:200]}" if wrong else "0"
