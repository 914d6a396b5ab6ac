"""One that is late: quorum with grace, hedging (F8, F9)."""

import asyncio
import random

import moakit
from tests.faults.card import row
from tests.faults.case import Case, each, percentile, until

MEDIAN, TAIL, LONGEST = 2.0, 1.1, 60.0
"""Seconds of a heavy-tailed latency: the lower half's end, the tail's exponent, the longest drawn."""


def drawn(chance: random.Random) -> float:
    """A latency as hosted models have it: most are alike, a few take ten times as long."""
    return min(LONGEST, MEDIAN * 0.5 ** (1 / TAIL) * chance.paretovariate(TAIL))


@row(
    "F8",
    "one straggler of N",
    "quorum with grace: the layer's p95 is at least 2 × better than waiting for all",
)
async def straggler(case: Case) -> str:
    lab, loop, chance = case.lab(), asyncio.get_running_loop(), random.Random(8)
    teams = [[case.seconds(drawn(chance)) for _ in range(4)] for _ in range(case.count(100, least=60))]
    grace = None if case.scale.time == 1 else case.seconds(2.0)

    async def took(team: list[float], **settings: object) -> float:
        began = loop.time()
        agents = [lab(f"sleep:{seconds:.3f}+say:here") for seconds in team]
        await moakit.Sequential(moakit.Proposers(*agents, grace=grace, **settings), lab("lead")).run("why")
        return loop.time() - began

    # The rows beside this one have to be up, or it would measure how long that takes.
    await asyncio.sleep(case.seconds(10))
    quick, patient = await asyncio.gather(
        asyncio.gather(*(took(team) for team in teams)),
        asyncio.gather(*(took(team, strict=True, deadline=2 * LONGEST) for team in teams)),
    )
    ours, theirs = percentile(quick, 0.95), percentile(patient, 0.95)
    case.at_least("p95 of waiting for all, over p95 with a quorum", theirs / ours, 2)
    return f"p95 {ours:.3g} s, waiting for all {theirs:.3g} s: {theirs / ours:.1f} ×"


@row(
    "F9",
    "hedging (off by default)",
    "a second attempt after the provider's p95 first token, at most 5 % extra calls; the loser is cancelled "
    "within 200 ms",
    busy=True,
)
async def hedging(case: Case) -> str:
    lab, late = case.lab(), case.seconds(10, least=2)
    runs = case.count(1000, least=300)
    case.up.behaves["slow"] = f"sleep:{late:g}+every:40+say:here"
    loop = asyncio.get_running_loop()

    async def took(ensemble: moakit.Layer) -> float:
        began = loop.time()
        await ensemble.run("why")
        return loop.time() - began

    plain = moakit.Sequential(lab("slow"))
    await each((took(plain) for _ in range(40)), at_once=8)
    case.holds("a run without `hedge` made more than its call", len(case.up.calls) == 40)
    case.up.reset()
    hedged = moakit.Sequential(lab("slow"), hedge=True)
    times = await each((took(hedged) for _ in range(runs)), at_once=8)
    await case.up.idle(case.scale.slack)
    extra = len(case.up.calls) / runs - 1
    case.at_most("extra calls, as a share", extra, 0.05)
    lost = [call for call in case.up.calls if call.status == "aborted"]
    case.holds("no loser was cancelled, so nothing was hedged", lost)
    ends = sorted(call.finished_at or 0.0 for call in case.up.calls if call.status == "done")
    losses = [
        (call.aborted_at or 0.0) - max((end for end in ends if end <= (call.aborted_at or 0.0)), default=0.0)
        for call in lost
    ]
    case.at_most("seconds from the winner's end to the loser's", max(losses, default=0.0), 0.2)
    p99 = percentile(times, 0.99)
    case.holds(f"p99 is {p99:.2f} s, as without a hedge", p99 < late / 2)
    case.up.behaves["gone"] = "hang"
    leaving = asyncio.create_task(moakit.Sequential(lab("gone"), hedge=True).run("why"))
    await until(lambda: case.up.of("gone"))
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await case.up.idle(case.scale.slack)
    gone = max(losses, default=0) * 1000
    return f"{extra:.1%} extra calls, p99 {p99 * 1000:.0f} ms, losers gone in {gone:.0f} ms"
