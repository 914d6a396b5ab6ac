"""Run the card at full size: `python -m tests.faults [ROW …] [--peers PYTHON] [--write]`."""

import argparse
import asyncio
import json
import logging
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.faults.card import LATER, Finding, Row, all_rows, found
from tests.faults.case import CARD, Scale
from tests.faults.page import PAGE, Peers, card, order, sixteen, written

TOGETHER = 12
"""Rows that wait at once; what is left after their waits are the busy ones, one after the other."""
SMALL = Scale(slack=1, repeat=0.1, time=0.2)


def measured(name: str, scale: Scale) -> Finding:
    """Run one row in this process."""
    logging.disable(logging.CRITICAL)
    return asyncio.run(found(all_rows()[name], scale))


def run(rows: Iterable[Row], scale: Scale, console: Console) -> dict[str, Finding]:
    """Run rows, each in a process of its own: first those that mostly wait, then the busy ones alone."""
    findings: dict[str, Finding] = {}
    context = multiprocessing.get_context("spawn")
    for busy, at_once in ((False, TOGETHER), (True, 1)):
        # The longest begin first, so that nothing is left to wait for at the end.
        names = sorted((row.name for row in rows if row.busy == busy), key=lambda name: name not in LONG)
        with ProcessPoolExecutor(at_once, mp_context=context, max_tasks_per_child=1) as pool:
            futures: list[Future[Finding]] = [pool.submit(measured, name, scale) for name in names]
            for name, future in zip(names, futures, strict=True):
                future.add_done_callback(lambda done, name=name: _progress(console, name, done))
            for name, future in zip(names, futures, strict=True):
                try:
                    findings[name] = future.result()
                except Exception as error:  # noqa: BLE001 - a process that died is a row that does not hold
                    findings[name] = Finding(name, "", (repr(error),), 0.0)
    return findings


LONG = frozenset({"F8", "F21", "F24", "S06", "S09", "S15"})
"""Rows that take a minute of waiting or more."""


def _progress(console: Console, name: str, done: Future[Finding]) -> None:
    if done.exception() is None:
        finding = done.result()
        console.print(
            f"{name:4} {'ok' if finding.passed else 'FAILED':7} {finding.seconds:6.1f} s", style="dim"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="such as F6 or S08; all when none is named")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="an environment with openai and litellm")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/faults.md")
    parser.add_argument("--small", action="store_true", help="a tenth of the requests, a fifth of the waits")
    given = parser.parse_args()
    rows = all_rows()
    chosen = {name: rows[name] for name in given.rows if name in rows} if given.rows else rows
    if unknown := set(given.rows) - rows.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))} (there are {', '.join(rows)})")
    if given.write and (given.rows or given.small or given.peers is None):
        parser.error("--write needs the whole card, and --peers")
    scale = SMALL if given.small else CARD
    console, errors = Console(width=160), Console(stderr=True)
    began = time.monotonic()
    other = None
    if given.peers is not None:
        command = [given.peers, "-m", "tests.faults.peers", str(scale.time)]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    findings = run(chosen.values(), scale, errors)
    peers: Peers = {}
    if other is not None:
        out, told = other.communicate()
        if other.returncode:
            errors.print(f"the other products could not be run:\n{told}", markup=False)
            return 1
        peers = json.loads(out)
    _show(console, chosen, findings, peers)
    errors.print(f"{time.monotonic() - began:.0f} s", style="dim")
    if given.write:
        parts = {"card": card(rows, findings), "sixteen": sixteen(rows, findings, peers)}
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")
    return 0 if all(finding.passed for finding in findings.values()) else 1


def _show(console: Console, rows: dict[str, Row], findings: dict[str, Finding], peers: Peers) -> None:
    table = Table("row", "fault", "what must hold", "figure", "passed", box=None, pad_edge=False)
    for name in sorted(rows, key=order):
        row, finding = rows[name], findings[name]
        cells = (name, row.fault, row.claim, finding.figure or "–")
        table.add_row(*map(escape, cells), "yes" if finding.passed else "[bold red]no[/]")
        for failure in finding.failures[:5]:
            table.add_row("", "", "", f"[red]{escape(failure[:300])}[/]", "")
    if len(rows) > 1:
        for name, (fault, when) in LATER.items():
            table.add_row(name, fault, when, "–", "–")
    console.print(table)
    if peers:
        names = sorted((name for name in rows if name.startswith("S")), key=order)
        beside = Table("row", "fault", "moakit", *peers, box=None, pad_edge=False)
        for name in names:
            told = [f"{verdict} ({escape(why[:70])})" if why else verdict for verdict, why in
                    (given[name] for given in peers.values())]  # fmt: skip
            beside.add_row(name, rows[name].fault, (findings[name].figure or "fail").partition(",")[0], *told)
        console.print()
        console.print(beside)


if __name__ == "__main__":
    sys.exit(main())
