"""Run the card at full size: `python -m tests.faults [ROW …] [--peers PYTHON] [--write]`."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.faults.card import LATER, Finding, Row, all_rows
from tests.faults.case import CARD, Scale
from tests.faults.page import PAGE, Peers, card, order, sixteen, written
from tests.faults.processes import run

SMALL = Scale(slack=1, repeat=0.1, time=0.2)


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
    compared = sorted(name for name in chosen if name.startswith("S"))
    if given.peers is not None and compared:
        command = [given.peers, "-m", "tests.faults.peers", str(scale.time), *compared]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def tell(finding: Finding) -> None:
        word = "ok" if finding.passed else "FAILED"
        errors.print(f"{finding.row:4} {word:7} {finding.seconds:6.1f} s", style="dim")

    findings = run(chosen.values(), scale, tell)
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
    if len(rows) == len(all_rows()):
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
