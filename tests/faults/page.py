"""The card as tables: on a terminal, and in its place in docs/faults.md."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.card import LATER, Finding, Row

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
Peers = Mapping[str, Mapping[str, tuple[str, str]]]
"""Verdict and reason by product and fault."""
_PLACE = re.compile(r"(<!-- measured: (?P<name>\w+) -->\n).*?(<!-- end of measured -->)", re.DOTALL)


def tables(text: str) -> list[str]:
    """Return the names of the places for tables on a page."""
    return [match["name"] for match in _PLACE.finditer(text)]


def order(name: str) -> tuple[str, int]:
    """Return what rows are sorted by: F1 to F32, then S01 to S16."""
    return name[0], int(name[1:])


def card(rows: Mapping[str, Row], findings: Mapping[str, Finding]) -> str:
    """Return the rows F1 to F32 as Markdown."""
    lines = [["row", "fault", "what must hold", "figure", "passed"], ["---"] * 5]
    for name in sorted({*rows, *LATER}, key=order):
        if name.startswith("S"):
            continue
        if name in LATER:
            fault, when = LATER[name]
            lines.append([name, fault, when, "–", "–"])
            continue
        row, finding = rows[name], findings[name]
        lines.append(
            [name, row.fault, row.claim, finding.figure or "–", "yes" if finding.passed else "**no**"]
        )
    return _table(lines)


def sixteen(rows: Mapping[str, Row], findings: Mapping[str, Finding], peers: Peers) -> str:
    """Return the rows S01 to S16 as Markdown, beside other products."""
    names = sorted((name for name in rows if name.startswith("S")), key=order)
    ours = {name: (findings[name].figure or "fail").partition(",")[0] for name in names}
    verdicts = {"moakit": ours} | {
        product: {name: verdict for name, (verdict, _) in given.items()} for product, given in peers.items()
    }
    lines = [["row", "fault", *verdicts], ["---"] * (2 + len(verdicts))]
    lines += [[name, rows[name].fault, *(given[name] for given in verdicts.values())] for name in names]
    passes = [sum(one == "pass" for one in given.values()) for given in verdicts.values()]
    lines.append(["", "passed", *(f"**{count} of {len(names)}**" for count in passes)])
    return _table(lines)


def written(text: str, parts: Mapping[str, str]) -> str:
    """Return the page with these tables in their places."""
    return _PLACE.sub(lambda match: f"{match[1]}{parts[match['name']]}\n{match[3]}", text)


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
