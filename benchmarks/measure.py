"""Rounds of measurements, the sides taking turns."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import payloads
from .checks import check
from .processes import ROOT, Helper, NotAvailable, Server, Upstreams, free_port
from .sides.servers import SERVERS, command

LIBRARIES = ("bare", "moakit", "openai")
SETTLE = 0.3
"""Seconds a server gets to finish what it does after an answer, which counts as its work."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    library: dict[str, int]
    """Requests a round of each library side, not streamed; a stream is worth `stream_share` of them."""
    server: dict[str, int]
    """Requests a round in each mode of the servers."""
    in_flight: int = 50
    paced_in_flight: int = 100
    stream_share: float = 0.5


FULL = Plan(7, {"bare": 400, "moakit": 400, "openai": 40}, {"run": 400, "burst": 300, "paced": 200})
QUICK = Plan(3, {"bare": 150, "moakit": 150, "openai": 16}, {"run": 150, "burst": 100, "paced": 100})


@dataclass
class Series:
    """Microseconds of CPU a request, by side and mode, one for every round."""

    rounds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a side could not be measured."""
    upstream_busy: float = 0.0
    """The largest share of a core that an upstream process used in any measurement."""
    throughput: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, side: str, mode: str, cpu: float, wall: float, requests: int) -> None:
        """Notes one round."""
        self.rounds.setdefault((side, mode), []).append(cpu / requests * 1e6)
        self.throughput.setdefault((side, mode), []).append(requests / wall)

    def cost(self, side: str, mode: str) -> float | None:
        """The median over the rounds."""
        found = self.rounds.get((side, mode))
        return statistics.median(found) if found else None

    def ratio(self, side: str, base: str, mode: str) -> float | None:
        """The median of the ratios of the rounds."""
        both = zip(self.rounds.get((side, mode), []), self.rounds.get((base, mode), []), strict=False)
        ratios = [mine / theirs for mine, theirs in both]
        return statistics.median(ratios) if ratios else None


@contextlib.contextmanager
def watched(upstreams: Upstreams, series: Series) -> Iterator[None]:
    """Notes how busy the upstream was."""
    cpu, wall = upstreams.cpu(), time.monotonic()
    yield
    elapsed = time.monotonic() - wall
    busy = max(after - before for before, after in zip(cpu, upstreams.cpu(), strict=True)) / elapsed
    series.upstream_busy = max(series.upstream_busy, busy)


def libraries(plan: Plan, upstreams: Upstreams, home: Path, say: Callable[[str], None]) -> Series:
    """The library sides, each in a fresh process."""
    series = Series()
    workers: dict[str, Helper] = {}
    try:
        for side in LIBRARIES:
            try:
                workers[side] = worker = Helper("benchmarks.worker", side, upstreams.base_url, home=home)
                for mode in ("run", "stream"):
                    answered = worker.ask({"mode": mode, "requests": 1})["text"]
                    assert answered == payloads.answer(payloads.TOKENS), f"{side} {mode}: a wrong answer"
                    worker.ask({"mode": mode, "requests": max(plan.library[side] // 4, plan.in_flight)})
            except NotAvailable as exc:
                series.missing[side] = str(exc)
                workers.pop(side, None)
        for number in range(plan.rounds):
            say(f"library, round {number + 1} of {plan.rounds}")
            for mode, share in (("run", 1.0), ("stream", plan.stream_share)):
                for side, worker in workers.items():
                    requests = int(plan.library[side] * share)
                    with watched(upstreams, series):
                        found = worker.ask({"mode": mode, "requests": requests, "in_flight": plan.in_flight})
                    series.add(side, mode, found["cpu"], found["wall"], requests)
    finally:
        for worker in workers.values():
            worker.stop()
    return series


def servers(plan: Plan, upstreams: Upstreams, home: Path, say: Callable[[str], None]) -> Series:
    """The server sides, their clients in a process of their own."""
    series = Series()
    running: dict[str, Server] = {}
    load = Helper("benchmarks.load", home=home)

    def ask(side: str, mode: str, requests: int) -> dict[str, float]:
        paced = mode == "paced"
        question = {
            "port": running[side].port,
            "model": "paced" if paced else "panel",
            "stream": mode != "run",
            "requests": requests,
            "in_flight": plan.paced_in_flight if paced else plan.in_flight,
        }
        cpu = running[side].cpu()
        found: dict[str, float] = load.ask(question)
        time.sleep(SETTLE)
        found["cpu"] = running[side].cpu() - cpu
        assert not found["wrong"], f"{side} {mode}: {found['wrong']}"
        assert found["requests"] == requests, f"{side} {mode}: {found['requests']} of {requests} answered"
        return found

    try:
        for side in SERVERS:
            try:
                running[side] = start(side, upstreams, home)
                check(running[side].port, side)
                for mode, requests in plan.server.items():
                    ask(side, mode, requests // 4)
            except NotAvailable as exc:
                series.missing[side] = str(exc)
                running.pop(side, None)
        for number in range(plan.rounds):
            say(f"servers, round {number + 1} of {plan.rounds}")
            for mode, requests in plan.server.items():
                for side in running:
                    with watched(upstreams, series):
                        found = ask(side, mode, requests)
                    series.add(side, mode, found["cpu"], found["wall"], requests)
    finally:
        load.stop()
        for server in running.values():
            server.stop()
    return series


def start(side: str, upstreams: Upstreams, home: Path) -> Server:
    """A server side, listening."""
    port = free_port()
    folder = home if side == "moakit" else ROOT
    return Server(command(side, upstreams.base_url, port, home), port, home=home, folder=folder)
