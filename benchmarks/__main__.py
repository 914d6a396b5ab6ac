"""The command: measures everything, prints the tables, fails if a target is missed."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from . import measure, startup, table, targets
from .processes import ROOT, NotAvailable, Upstreams, environment, upstreams

PACKAGES = ("aiohttp", "msgspec", "openai", "starlette", "uvicorn", "uvloop", "httptools")


def main() -> int:
    """0 when every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and requests")
    parser.add_argument("--only", choices=("library", "server", "latency", "startup"), action="append")
    parser.add_argument("--processes", type=int, default=1, help="upstream processes, on one port")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every round's figures")
    given = parser.parse_args()
    wanted = given.only or ["library", "server", "latency", "startup"]
    plan = measure.QUICK if given.quick else measure.FULL
    console = Console(width=None if sys.stdout.isatty() else 150)
    began = time.monotonic()
    saved: dict[str, Any] = {"machine": machine()}
    found: list[targets.Verdict] = []
    with tempfile.TemporaryDirectory() as folder, console.status("starting") as status:
        home = Path(folder)
        busy = []
        if "startup" in wanted:
            status.update("startup")
            times = startup.startup(home)
            found += targets.startup(times)
            saved["startup"] = vars(times)
        if "library" in wanted:
            with upstreams(given.processes, home) as running:
                series = measure.libraries(plan, running, home, status.update)
            table.show(console, table.library(series))
            found += targets.library(series)
            saved["library"] = figures(series)
            busy.append(series.upstream_busy)
        if "server" in wanted:
            with upstreams(given.processes, home) as running:
                series = measure.servers(plan, running, home, status.update)
            table.show(console, table.servers(series))
            found += targets.servers(series)
            saved["server"] = figures(series)
            busy.append(series.upstream_busy)
        if "latency" in wanted:
            status.update("latency")
            with upstreams(1, home) as running:
                saved["latency"] = latencies(running, home)
            found += targets.latency(saved["latency"])
    table.show(console, table.verdicts(found))
    console.print(notes(busy, time.monotonic() - began))
    saved["targets"] = [vars(verdict) for verdict in found]
    if given.json:
        given.json.write_text(json.dumps(saved, indent=2))
    return 0 if all(verdict.met for verdict in found) else 1


def latencies(running: Upstreams, home: Path) -> Any:
    """The figures of `benchmarks.latency`, or why there are none."""
    command = [sys.executable, "-m", "benchmarks.latency", running.base_url]
    server = None
    try:
        server = measure.start("moakit", running, home)
        command.append(str(server.port))
    except NotAvailable:
        pass
    try:
        done = subprocess.run(  # noqa: S603  our own module
            command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False, timeout=120
        )
    finally:
        if server is not None:
            server.stop()
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def figures(series: measure.Series) -> dict[str, Any]:
    """Every round, for the file."""
    return {
        "us_per_request": {f"{side} {mode}": rounds for (side, mode), rounds in series.rounds.items()},
        "requests_per_second": {
            f"{side} {mode}": rounds for (side, mode), rounds in series.throughput.items()
        },
        "missing": series.missing,
        "upstream_busy": series.upstream_busy,
    }


def machine() -> dict[str, Any]:
    """Where this was measured."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except ModuleNotFoundError:
            packages[package] = "–"
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    } | packages


def notes(busy: list[float], seconds: float) -> str:
    """How to take the figures."""
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    upstream = f" The upstream used at most {max(busy):.0%} of a core at any time." if busy else ""
    return (
        "CPU time of one process in microseconds, medians of the rounds; "
        "ratios are medians of each round's ratio.\n"
        f"Sides take turns, so a ratio holds where an absolute time does not.{upstream}\n"
        f"Measured in {seconds:.0f} s on {where}."
    )


if __name__ == "__main__":
    sys.exit(main())
