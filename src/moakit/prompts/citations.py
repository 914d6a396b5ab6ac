"""How an answer is asked to cite its references, and which of them its marks lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

REQUEST = """\
- Where a statement rests on certain references, you may put their numbers right after it, each in brackets \
of its own, such as [1] or [1][3]. The user sees these marks as links to the references; apart from them, do \
not mention the references. Use only numbers that references have. Brackets with numbers inside the \
references are their own: leave them out."""

# Nothing before a mark of several numbers tells it from an interval or a list, so all of them have to exist.
_MARK = re.compile(r"\[([1-9]\d{0,2}(?:, ?[1-9]\d{0,2}){0,20})\](?![({])")
_BACKTICKS = re.compile(r"`+")
_FENCE = re.compile(r"[ \t>]*(```+(?=[^`\n]*$)|~~~+)", re.MULTILINE)
_DEFINITION = re.compile(r" {0,3}\[\d+\]:")


class Citations(NamedTuple):
    """What a text cites: the places of references in order of first use, how many marks lead to none.

    `text` is the text without those.
    """

    places: tuple[int, ...]
    false: int
    text: str


def citations_in(text: str, references: int) -> Citations:
    """Return what the marks of a text lead to, of so many references; code, links and notes have no marks."""
    places: dict[int, None] = {}
    false = end = 0
    shown = False
    kept: list[str] = []
    for start, stop in _prose(text):
        for mark in _MARK.finditer(text, start, stop):
            numbers = [int(number) for number in mark[1].split(",")]
            if max(numbers) <= references:
                places.update(dict.fromkeys(number - 1 for number in numbers))
            elif len(numbers) == 1:
                false += 1
                before = text[end : mark.start()]
                bare = before.rstrip(" \t")
                # Its space goes with it, a line's indentation stays.
                shown = shown or bool(bare)
                kept.append(before if bare.endswith("\n") or not shown else bare)
                end = mark.end()
    clean = "".join([*kept, text[end:]])
    # An answer that is nothing else was no mark.
    return Citations(tuple(places), false, clean) if clean.strip() else Citations((), 0, text)


def _prose(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each piece begins and ends that is neither code nor what a note stands for."""
    fence = ""
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        opened = _FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not line[opened.end() :].strip():
                fence = ""
        elif opened:
            fence = opened[1]
        elif not _DEFINITION.match(line):
            for code, after in _code(line):
                yield start, at - len(line) + code
                start = at - len(line) + after
            yield start, at


def _code(line: str) -> Iterator[tuple[int, int]]:
    """Yield where code begins and ends within a line: from some backticks to the next as many."""
    runs = list(_BACKTICKS.finditer(line))
    nearest: dict[int, int] = {}
    closing: list[int | None] = []
    for run in reversed(runs):
        length = len(run[0])
        closing.append(nearest.get(length))
        nearest[length] = run.end()
    end = 0
    for run, close in zip(runs, reversed(closing), strict=True):
        if run.start() >= end and close is not None:
            end = close
            yield run.start(), end
