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


FULL = Plan(5, {"bare": 1000, "moakit": 1000, "openai": 60}, {"run": 500, "burst": 300, "paced": 200})
QUICK = Plan(3, {"bare": 400, "moakit": 400, "openai": 50}, {"run": 200, "burst": 150, "paced": 100})


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
    """The library sides, in fresh processes every round: part of the noise is where they lie in memory."""
    series = Series()
    for number in range(plan.rounds):
        say(f"library, round {number + 1} of {plan.rounds}")
        with contextlib.ExitStack() as stack:
            workers: dict[str, Helper] = {}
            for side in LIBRARIES:
                try:
                    workers[side] = worker = Helper("benchmarks.worker", side, upstreams.base_url, home=home)
                    stack.callback(worker.stop)
                    _warm(side, worker, plan)
                except NotAvailable as exc:
                    series.missing[side] = str(exc)
                    workers.pop(side, None)
            for mode, share in (("run", 1.0), ("stream", plan.stream_share)):
                for side, worker in workers.items():
                    requests = int(plan.library[side] * share)
                    with watched(upstreams, series):
                        found = worker.ask({"mode": mode, "requests": requests, "in_flight": plan.in_flight})
                    series.add(side, mode, found["cpu"], found["wall"], requests)
    return series


def _warm(side: str, worker: Helper, plan: Plan) -> None:
    for mode in ("run", "stream"):
        answered = worker.ask({"mode": mode, "requests": 1})["text"]
        assert answered == payloads.answer(payloads.TOKENS), f"{side} {mode}: a wrong answer"
        requests = max(plan.library[side] // 5, plan.in_flight)
        worker.ask({"mode": mode, "requests": requests, "in_flight": plan.in_flight})


def servers(plan: Plan, upstreams: Upstreams, home: Path, say: Callable[[str], None]) -> Series:
    """The server sides, in fresh processes every round, their clients in a process of their own."""
    series = Series()
    load = Helper("benchmarks.load", home=home)
    try:
        for number in range(plan.rounds):
            say(f"servers, round {number + 1} of {plan.rounds}")
            with contextlib.ExitStack() as stack:
                running: dict[str, Server] = {}
                for side in SERVERS:
                    try:
                        running[side] = start(side, upstreams, home)
                        stack.callback(running[side].stop)
                    except NotAvailable as exc:
                        series.missing[side] = str(exc)
                for side, server in running.items():
                    if number == 0:
                        check(server.port, side)
                    for mode, requests in plan.server.items():
                        _ask(load, server, mode, requests // 5, plan)
                for mode, requests in plan.server.items():
                    for side, server in running.items():
                        with watched(upstreams, series):
                            found = _ask(load, server, mode, requests, plan)
                        series.add(side, mode, found["cpu"], found["wall"], requests)
    finally:
        load.stop()
    return series


def _ask(load: Helper, server: Server, mode: str, requests: int, plan: Plan) -> dict[str, float]:
    paced = mode == "paced"
    question = {
        "port": server.port,
        "model": "paced" if paced else "panel",
        "stream": mode != "run",
        "requests": requests,
        "in_flight": min(plan.paced_in_flight if paced else plan.in_flight, requests),
    }
    cpu = server.cpu()
    found: dict[str, float] = load.ask(question)
    time.sleep(SETTLE)
    found["cpu"] = server.cpu() - cpu
    assert not found["wrong"], f"{mode}: {found['wrong']}"
    assert found["requests"] == requests, f"{mode}: {found['requests']} of {requests} answered"
    return found


def start(side: str, upstreams: Upstreams, home: Path) -> Server:
    """A server side, listening."""
    port = free_port()
    folder = home if side == "moakit" else ROOT
    return Server(command(side, upstreams.base_url, port, home), port, home=home, folder=folder)
