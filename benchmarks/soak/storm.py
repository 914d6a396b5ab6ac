"""A storm of cancellations: clients that leave at random moments, on a free pool and on a small one."""

import asyncio
import time
from collections.abc import Callable

from benchmarks.targets import Verdict

from .bench import Bench, held

ENSEMBLES = ("brisk", "tight", "proposing", "aggregating", "small", "panel")
STAYS = (0.05, 0.3, 1.5)
"""Seconds that clients stay on average: some leave at once, some see an answer begin, some see its end."""

PAUSE = 0.4
"""Seconds at most until a client that left, or was refused, is back."""


async def storm(bench: Bench, number: int, seconds: float, say: Callable[[str], None]) -> list[Verdict]:
    """Has so many clients come and go for so many seconds."""
    clients = bench.clients
    end = time.monotonic() + seconds

    async def come_and_go() -> None:
        while time.monotonic() < end:
            model, stream = clients.random.choice(ENSEMBLES), clients.random.random() < 0.5
            after = clients.random.expovariate(1 / clients.random.choice(STAYS))
            await clients.counted(clients.leave(model, after, stream=stream))
            await asyncio.sleep(clients.random.uniform(0, PAUSE))

    calls = aborted = 0
    storming = asyncio.gather(*(come_and_go() for _ in range(number)))
    while not storming.done():
        say(f"storm, {max(end - time.monotonic(), 0):.0f} s to go, {clients.done:,} requests")
        await asyncio.wait([storming], timeout=2)
        found = bench.upstream.ask({})
        calls, aborted = calls + found["calls"], aborted + found["aborted"]
    await storming
    became = ", ".join(f"{count:,} {what}" for what, count in clients.became.most_common())
    told, there = await bench.server.at_rest(bench.upstream, bench.tasks)
    behind = held(told, there, bench.tasks)
    verdicts = [
        Verdict(f"{number} clients that leave, {seconds:g} s", "", became, clients.became["left"] > number),
        Verdict("upstream calls cut off", "", f"{aborted:,} of {calls:,}", aborted > number),
        Verdict("wrong answers", "0", str(clients.wrong[:1] or 0), not clients.wrong),
        Verdict("held within 2 s of its end", "nothing", behind, behind == "nothing"),
    ]
    for model, word in (("panel", "without a limit"), ("small", "of 4 calls at once")):
        well = await clients.all_answered(model, 30)
        verdicts.append(
            Verdict(f"the next 30 requests, a pool {word}", "all answered", "yes" if well else "no", well)
        )
    return verdicts
