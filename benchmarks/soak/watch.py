"""What the server's process holds, seen from outside and told by itself."""

import asyncio
import json
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.processes import ROOT, Server, free_port

HELD = ("permits", "waiting", "places", "reserved")
"""What `served.py` tells that must be nothing at rest."""
TROUBLE = (
    "never retrieved",
    "was never awaited",
    "nclosed",
    "was destroyed but it is pending",
    "Traceback (most recent call last)",
    "Exception in ",
    "Exception ignored",
    "internal error",
)
"""What a server's log must not say."""


class Sample(NamedTuple):
    """One look at the server; what cannot be read on this system is NaN."""

    requests: int
    seconds: float
    rss: float
    """Memory in MB."""
    descriptors: float
    """Open ones that are not sockets."""
    sockets: float
    told: dict[str, int]
    """What `served.py` tells."""
    open: int
    """Calls that the upstream has open."""


class Watched(Server):
    """A `moa serve` that can be asked what it holds."""

    def __init__(self, base_url: str, home: Path) -> None:
        configuration = home / "moa.toml"
        text = Path(__file__).with_name("moa.toml").read_text()
        configuration.write_text(text.replace("LAB", base_url))
        self._figures = home / "figures"
        self._figures.touch()
        self._told = 0
        port = free_port()
        arguments = [str(self._figures), "serve", "--config", str(configuration), "--port", str(port)]
        command = [sys.executable, "-W", "default", "-m", "benchmarks.soak.served", *arguments]
        super().__init__(command, port, home=home, folder=ROOT)

    async def figures(self, within: float = 10) -> dict[str, int]:
        """What it tells."""
        self.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + within
        while time.monotonic() < end:
            lines = self._figures.read_text().splitlines(keepends=True)
            if len(lines) > self._told and lines[-1].endswith("\n"):
                self._told = len(lines)
                found: dict[str, int] = json.loads(lines[-1])
                return found
            await asyncio.sleep(0.01)
        raise TimeoutError("the server does not tell what it holds")

    async def at_rest(self, upstream: Any, tasks: int, within: float = 2) -> tuple[dict[str, int], int]:
        """What it holds, with the upstream's open calls, once all has ended or after so many seconds."""
        end = time.monotonic() + within
        while True:
            told, there = await self.figures(), upstream.ask({})["open"]
            held = any(told[name] for name in HELD) or there
            if (not held and told["tasks"] <= tasks) or time.monotonic() > end:
                return told, there
            await asyncio.sleep(0.05)

    def rss(self) -> float:
        """Resident memory in MB."""
        try:
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        except OSError:  # not Linux
            return math.nan
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def descriptors(self) -> tuple[float, float]:
        """Open descriptors: sockets, and others."""
        sockets = others = 0
        folder = Path(f"/proc/{self.process.pid}/fd")
        try:
            for link in folder.iterdir():
                try:
                    target = str(link.readlink())
                except OSError:  # closed meanwhile
                    continue
                sockets += target.startswith("socket:")
                others += not target.startswith("socket:")
        except OSError:
            return math.nan, math.nan
        return sockets, others

    def trouble(self) -> list[str]:
        """The lines of its log that it should not have."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if any(word in line for word in TROUBLE)]


def slope(samples: list[Sample], field: str) -> float:
    """What a figure grows by in 10,000 requests: least squares."""
    xs = [float(sample.requests) for sample in samples]
    ys = [float(getattr(sample, field)) for sample in samples]
    if len(xs) < 2:
        return math.nan
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((a - x) ** 2 for a in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread * 10_000
