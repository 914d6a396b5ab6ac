"""A storm of cancellations: hundreds of clients that leave at random moments, on a free and on a small pool."""

import asyncio
import time
from collections.abc import Callable

from benchmarks.targets import Verdict

from .bench import Bench, held

ENSEMBLES = ("brisk", "tight", "proposing", "aggregating", "small", "panel")


async def storm(bench: Bench, number: int, seconds: float, say: Callable[[str], None]) -> list[Verdict]:
    """Has so many clients come and go for so many seconds."""
    clients = bench.clients
    end = time.monotonic() + seconds

    async def come_and_go() -> None:
        while time.monotonic() < end:
            model, stream = clients.random.choice(ENSEMBLES), clients.random.random() < 0.5
            await clients.counted(clients.leave(model, clients.random.expovariate(1 / 0.15), stream=stream))

    storming = asyncio.gather(*(come_and_go() for _ in range(number)))
    while not storming.done():
        say(f"storm, {max(end - time.monotonic(), 0):.0f} s to go, {clients.done:,} requests")
        await asyncio.wait([storming], timeout=2)
        bench.upstream.ask({})
    await storming
    became = ", ".join(f"{count:,} {what}" for what, count in clients.became.most_common())
    told, there = await bench.server.at_rest(bench.upstream, bench.tasks)
    behind = held(told, there, bench.tasks)
    verdicts = [
        Verdict(f"{number} clients that leave, {seconds:g} s", "", became, clients.became["left"] > 0),
        Verdict("wrong answers", "0", str(clients.wrong[:1] or 0), not clients.wrong),
        Verdict("held within 2 s of its end", "nothing", behind, behind == "nothing"),
    ]
    for model, word in (("panel", "without a limit"), ("small", "of 4 calls at once")):
        well = await clients.all_answered(model, 30)
        verdicts.append(
            Verdict(f"the next 30 requests, a pool {word}", "all answered", "yes" if well else "no", well)
        )
    return verdicts
