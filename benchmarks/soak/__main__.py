"""The command: soaks, leaves, storms; prints what was seen, fails if anything was left behind."""

import argparse
import asyncio
import contextlib
import math
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import table
from benchmarks.targets import Verdict

from .bench import Bench, started
from .leaves import leaves
from .mixed import WARM, Soaked, soak
from .storm import storm
from .watch import slope

ROWS = ("mixed", "leaves", "storm")


def main() -> int:
    """0 when nothing is left behind, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=20_000, help="requests with mixed faults (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="… and the time after which there are no more"
    )
    parser.add_argument("--leaves", type=int, default=1000, help="clients whose leaving is timed")
    parser.add_argument("--storm", type=float, default=60, help="seconds of the storm")
    parser.add_argument("--only", choices=ROWS, action="append")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="a new folder, for logs and configuration"
    )
    given = parser.parse_args()
    if sys.platform == "win32":
        parser.error("it asks the server by a signal that Windows does not have")
    return asyncio.run(rows(given))


async def rows(given: argparse.Namespace) -> int:
    """Every row that is wanted, each on a fresh server."""
    console = Console(width=None if sys.stdout.isatty() else 130)
    wanted = given.only or ROWS
    found: list[Verdict] = []
    with contextlib.ExitStack() as stack:
        home = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home.mkdir(exist_ok=True)
        status = stack.enter_context(console.status("starting"))
        for row in ROWS:
            if row not in wanted:
                continue
            async with started(home / row) as bench:
                if row == "mixed":
                    soaked = await soak(bench, given.requests, given.minutes, status.update)
                    table.show(console, looks(soaked), became(soaked))
                    verdicts = soaked.verdicts
                elif row == "leaves":
                    verdicts = await leaves(bench, given.leaves, status.update)
                else:
                    verdicts = await storm(bench, 200, given.storm, status.update)
            verdicts += ended(bench)
            found += [replace(verdict, name=f"{row}: {verdict.name}") for verdict in verdicts]
    table.show(console, table.verdicts(found))
    return 0 if all(verdict.met is not False for verdict in found) else 1


def ended(bench: Bench) -> list[Verdict]:
    """How the server ended, and what it wrote."""
    code, trouble = bench.server.process.returncode, bench.server.trouble()
    return [
        Verdict("exit code", "0", str(code), code == 0),
        Verdict("tracebacks and warnings in its log", "0", f"{len(trouble)} {trouble[:1]}", not trouble),
    ]


def looks(soaked: Soaked) -> Table:
    """What the server held, over time."""
    shown = Table(title="At rest between the rounds", title_justify="left")
    for column in (
        "requests",
        "seconds",
        "RSS, MB",
        "objects",
        "tasks",
        "sockets",
        "other descriptors",
        "open upstream",
    ):
        shown.add_column(column, justify="right")
    for sample in soaked.samples:
        told = sample.told
        cells = (sample.rss, told["objects"], told["tasks"], sample.sockets, sample.descriptors, sample.open)
        shown.add_row(f"{sample.requests:,}", f"{sample.seconds:.0f}", *(_number(cell) for cell in cells))
    warm = soaked.samples[int(len(soaked.samples) * WARM) :]
    slopes = {name: slope(warm, name) for name in ("rss", "sockets", "descriptors")}
    shown.add_section()
    shown.add_row(
        "a 10,000",
        "",
        f"{slopes['rss']:+.2f}",
        "",
        "",
        f"{slopes['sockets']:+.1f}",
        f"{slopes['descriptors']:+.1f}",
        "",
    )
    return shown


def became(soaked: Soaked) -> Table:
    """What became of the requests."""
    shown = Table(title="What became of the requests", title_justify="left")
    shown.add_column("")
    shown.add_column("requests", justify="right")
    for what, count in sorted(soaked.became.items(), key=lambda item: -item[1]):
        shown.add_row(what, f"{count:,}")
    return shown


def _number(cell: float) -> str:
    return "–" if math.isnan(cell) else f"{cell:,.0f}" if cell == int(cell) else f"{cell:,.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
