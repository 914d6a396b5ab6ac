"""Clients that leave in every phase of a run: how soon their calls end, and whether all do."""

import asyncio
from collections.abc import Callable

from benchmarks.targets import Verdict, at_most

from .bench import Bench, held
from .upstream import SLY

AT_ONCE = 20
PHASES = ("proposing", "aggregating", "hedging", "brisk", "tight")
"""Ensembles, each of which is left in another phase; the last two anywhere, at any moment."""
PRIMED = 40
"""Answers after which the pace of a model is known, so that slow calls are hedged."""
BOUND = 0.25
"""Seconds within which 99 of 100 calls have to end."""


async def leaves(bench: Bench, count: int, say: Callable[[str], None]) -> list[Verdict]:
    """Has so many clients leave."""
    clients, upstream = bench.clients, bench.upstream
    for _ in range(PRIMED):
        await clients.counted(clients.whole("hedging"))
    upstream.ask({"hang": [SLY]})
    delays: list[float] = []
    hedges = under_way = orphans = 0
    for number in range(0, count, AT_ONCE):
        say(f"leaving, {number:,} of {count:,}")
        clients.gone.clear()
        phase = PHASES[number // AT_ONCE % len(PHASES)]
        await asyncio.gather(*(_leave(bench, phase, stream=bool(i % 2)) for i in range(AT_ONCE)))
        await asyncio.sleep(4 * BOUND)
        found = upstream.ask({"left": clients.gone})
        delays += found["delays"]
        hedges += found["hedges"]
        under_way += found["clients"]
        orphans += found["open"]
    told, there = await bench.server.at_rest(upstream, bench.tasks)
    behind = held(told, there, bench.tasks)
    ordered = sorted(delays)
    p99 = ordered[int(len(ordered) * 0.99)] * 1000 if ordered else None
    worst = ordered[-1] * 1000 if ordered else None
    calls = f"{len(delays):,} calls of {under_way:,} clients, {hedges} of them hedges"
    return [
        Verdict(
            f"of {count:,} clients that left, calls that were under way",
            "",
            calls,
            bool(under_way > count / 2 and hedges),
        ),
        at_most("they end after the client left, p99", BOUND * 1000, p99, " ms"),
        at_most("the slowest of them", 4 * BOUND * 1000, worst, " ms"),
        Verdict("calls that went on", "0", str(orphans), orphans == 0),
        Verdict("held afterwards", "nothing", behind, behind == "nothing"),
        Verdict("wrong answers", "0", str(clients.wrong[:1] or 0), not clients.wrong),
    ]


async def _leave(bench: Bench, phase: str, *, stream: bool) -> None:
    clients = bench.clients
    anywhere = phase in ("brisk", "tight")
    after = clients.random.uniform(0, 0.4) if anywhere else clients.random.uniform(0.1, 0.3)
    await clients.counted(clients.leave(phase, after, clients.name(), stream=stream))
