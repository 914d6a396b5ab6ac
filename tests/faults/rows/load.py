"""Too much at once, for long, or for the money (F25, F29, F30)."""

import asyncio
import contextlib
import gc
import random
import re
import tracemalloc
from collections.abc import Callable
from typing import cast

import moakit
from tests.faults.card import descriptors, row
from tests.faults.case import Case, each, encoded, percentile, until
from tests.faults.rows.clients import asking, megabytes, process
from tests.server.serving import KEY

TAKES = 0.2
"""Seconds that the upstream takes for a run."""
ONE = 160
"""Tokens that one call of F30 may take at most: prompt, answer and what an estimate adds."""
LENGTH, WAIT = re.compile(rb"content-length: (\d+)"), re.compile(rb"retry-after: ([\d.]+)")
CALM = "say:fine"
MIXED = (
    CALM, CALM, CALM, CALM, "status:500+times:1+say:x", "reset+every:3+say:x", "stale+say:x", "badchunk:2",
    "cut:1", "empty", "nofinish", "filter400", "null", "notjson", "error200", "retry_after_ms:5+every:2",
)  # fmt: skip
"""What soaking meets."""


class Line(asyncio.Protocol):
    """One client's connection, kept open: as little work as a request can be, so that it is the server's."""

    transport: asyncio.Transport

    def __init__(self, heard: Callable[["Line", int, float | None], None]) -> None:
        self.heard = heard
        self.began = 0.0
        self.answer = b""
        body = encoded(asking("why", stream=False))
        self.request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode() + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, now: float) -> None:
        self.began = now
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, _, body = self.answer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if length is not None and len(body) >= int(length[1]):
            wait = WAIT.search(head)
            self.answer = b""
            self.heard(self, int(head[9:12]), None if wait is None else float(wait[1]))


@row(
    "F25",
    "ten times the capacity (a limit of 50 runs, 200 ms of upstream)",
    "bounded queue; 503 or 429 with an honest Retry-After; goodput at least 90 % of what the limit allows; "
    "no growth without bound",
    busy=True,
)
async def overload(case: Case) -> str:
    loop, runs = asyncio.get_running_loop(), case.count(50, least=10)
    queue, limit = 2 * runs, runs / TAKES
    case.up.behaves["lead"] = f"sleep:{TAKES}+say:fine"
    toml = f'concurrency = {runs}\nqueue = {queue}\n[ensembles.panel]\nmodel = "lab/lead"\n'
    good: list[tuple[float, float]] = []
    waits: list[float | None] = []
    statuses: set[int] = set()
    free: list[Line] = []
    lasts = case.seconds(10, least=2)

    def heard(line: Line, status: int, wait: float | None) -> None:
        free.append(line)
        statuses.add(status)
        if status == 200:
            good.append((loop.time(), loop.time() - line.began))
        else:
            waits.append(wait)

    async with process(case, toml) as served:
        case.at(served)
        before = await megabytes(served)
        # So many that some are always free: more than run, wait and are on their way.
        opening = (
            loop.create_connection(lambda: Line(heard), "127.0.0.1", served.port) for _ in range(20 * runs)
        )
        lines = [line for _, line in await each(opening, at_once=50)]
        free.extend(lines)
        offered, began = 0, loop.time()
        while (now := loop.time()) < began + lasts:
            while offered < (now - began) * 10 * limit and free:
                free.pop().ask(now)
                offered += 1
            await asyncio.sleep(0.002)
        await until(lambda: len(free) == len(lines), within=10)
        grown = await megabytes(served) - before
        case.holds(f"{case.up.peak} runs at once", case.up.peak <= runs)
        for line in lines:
            line.transport.close()
        await case.probe()
        case.forget()
    warm = [at for at, _ in good if began + 0.5 <= at <= began + lasts]
    p99 = percentile([seconds for _, seconds in good], 0.99)
    case.at_least("offered, as a multiple of what the limit allows", offered / lasts / limit, 9)
    goodput = len(warm) / (lasts - 0.5)
    case.holds(f"statuses {statuses}", statuses <= {200, 429, 503} and len(statuses) > 1)
    case.at_least("goodput, as a share of what the limit allows", goodput / limit, 0.9)
    honest = [wait for wait in waits if wait is not None and 0 < wait <= 5]
    case.holds(f"{len(waits) - len(honest)} of {len(waits)} were not told when", len(honest) == len(waits))
    case.at_most("p99 of the seconds to be served", p99, (queue + runs) / limit + TAKES + 0.5)
    case.at_most("MB grown", grown, 64)
    return (
        f"{offered / lasts:.0f} requests a second on {limit:.0f}: goodput {goodput / limit:.0%}, "
        f"p99 {p99:.2f} s, {len(honest):,} told when, {grown:.0f} MB more"
    )


@row(
    "F29",
    "soak with mixed faults, 100,000 requests",
    "memory slope under 1 MB per 10,000 requests; no extra descriptors; no “task exception was never "
    "retrieved”",
    busy=True,
)
async def soak(case: Case) -> str:
    """A tenth of the 100,000 requests, in a process that counts every byte; `card.found` hears the loop."""
    lab, requests = case.lab(breaker=0), case.count(10_000, least=600)
    settings = {"retries": 0, "first_token": 5, "idle": 5}
    served = {"base_url": case.up.base_url, "api_key": "${LAB_KEY}", "price": 0, "breaker": 0}
    server = await case.serve(
        {
            "panel": {"proposers": ["lab/say:a", "lab/cut:1"], "aggregator": "lab/say:fine", **settings},
            "torn": {"proposers": ["lab/say:a"], "aggregator": "lab/tokens:9+cut:5", **settings},
        },
        providers={"lab": served},
    )
    ensembles = [
        ensemble
        for fault in MIXED
        for ensemble in (
            moakit.MoA([lab(fault), lab(CALM)], lab("say:fine"), quorum=1, grace=0, **settings),
            moakit.Sequential(lab(fault, fallback=lab(CALM)), **settings),
            moakit.Sequential(lab(fault), **settings),
        )
    ]
    chance = random.Random(29)
    kinds = {"answered": 0, "failed": 0}

    async def once(number: int) -> None:
        leaves = chance.random() < 0.1
        if number % 10 == 0:
            heard = await server.chat(chance.choice(("panel", "torn")), stream=chance.random() < 0.5)
            kinds["answered" if heard.done else "failed"] += 1
            return
        try:
            ensemble = chance.choice(ensembles)
            if chance.random() < 0.5:
                await ensemble.run("why")
            else:
                async with ensemble.stream("why") as stream:
                    async for _ in stream:
                        if leaves:
                            break
            kinds["answered"] += 1
        except moakit.MoaError:
            kinds["failed"] += 1

    async def part(numbers: range) -> float:
        """Run them; what the process holds afterwards, in MB."""
        for first in range(numbers.start, numbers.stop, 250):
            await each((once(number) for number in numbers[first - numbers.start :][:250]), at_once=32)
            case.up.reset()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / 1e6

    tracemalloc.start()
    try:
        middle = await part(range(requests // 2))
        files = descriptors() or 0
        end = await part(range(requests // 2, requests))
    finally:
        tracemalloc.stop()
    slope = (end - middle) / (requests / 2) * 10_000
    more = (descriptors() or 0) - files
    case.at_most("MB more per 10,000 requests", slope, 1)
    # Idle connections come and go: 32 at most to the server and from it, both ends in this process. Whether
    # any is left in the end is looked at after every row.
    case.holds(f"{more} more descriptors", more <= 4 * 32)
    case.holds(f"no mixture: {kinds}", min(kinds.values()) > requests / 100)
    return f"{slope:+.2f} MB per 10,000 in {requests:,} requests, {kinds['failed']:,} of which failed"


@row(
    "F30",
    "64 concurrent requests at the edge of a budget",
    "reserved atomically: nothing overspent, nothing leaked after cancels",
)
async def budgets(case: Case) -> str:
    case.up.behaves["lead"] = "sleep:0.1+tokens:100"
    edge, rest = 32 * ONE, 8 * ONE
    keys = [
        KEY, {"key": "edge-key", "budget": {"tokens": edge}},
        {"key": "rest-key", "budget": {"tokens": 64 * ONE + rest}},
    ]  # fmt: skip
    lead = {"layers": [{"model": "lab/lead", "max_tokens": 100}], "retries": 0}
    hung = {"layers": [{"model": "lab/hang", "max_tokens": 100}], "retries": 0}
    server = await case.serve({"lead": lead, "hung": hung}, keys=keys)

    async def asked(count: int, key: str) -> tuple[int, int]:
        """How many were answered, and the tokens they took."""
        heard = await asyncio.gather(*(server.chat("lead", key=key) for _ in range(count)))
        odd = {one.status for one in heard} - {200, 402, 429}
        case.holds(f"the client got {odd}", not odd)
        good = [one for one in heard if one.done]
        return len(good), sum(one.usage["total_tokens"] for one in good)

    answered, spent = await asked(64, "edge-key")
    case.holds(f"{answered} of 64 were answered at once", 8 <= answered < 64)
    while more := (await asked(1, "edge-key"))[1]:
        spent += more
    case.holds(f"{spent} of {edge} tokens were spent", spent <= edge)
    case.holds(f"only {spent} of {edge} tokens could be spent", spent > edge - 2 * ONE)

    async def leave() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await server.chat("hung", key="rest-key")

    await asyncio.gather(*(leave() for _ in range(64)))
    await case.up.idle(case.scale.slack)
    again, _ = await asked(8, "rest-key")
    case.holds(f"after 64 cancelled ones {again} of 8 were answered", again == 8)
    team = [case.lab()("lead", max_tokens=100) for _ in range(64)]
    wide = moakit.Proposers(*team, quorum=64, budget={"tokens": edge})
    answer = await moakit.Sequential(wide, case.lab()("say:fine")).run("why")
    taken = sum(reference.usage.total_tokens for reference in answer.references)
    case.holds(f"one layer took {taken} of {edge}", taken <= edge)
    case.holds("nobody in it was refused", len(answer.references) < 64)
    return f"{spent:,} of {edge:,} tokens spent, {again} of 8 answered after 64 cancelled"
