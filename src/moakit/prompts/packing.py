"""Cutting reference texts so that together they fit into a number of tokens.

The longest are cut first, all to one level; a cut text keeps its beginning and its end, with a line between
them that says how much is missing. How tokens are measured is the caller's business: `measure` gives the
tokens of a text, of two texts together never more than of each alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

Measure: TypeAlias = Callable[[str], int]

MINIMUM = 100
"""Tokens that each text keeps, if it has as many: less of a response says nothing."""
GAP = "\n\n[… about {tokens:,} tokens left out …]\n\n"
SHORT_GAP = " […] "


class Packed(NamedTuple):
    """Texts that fit, in the order they were given.

    `left_out` is how many tokens were cut away; `needed` the fewest that these texts can be packed into.
    `texts` is empty when the room was less than that.
    """

    texts: tuple[str, ...]
    left_out: int
    needed: int


def pack(
    texts: Sequence[str],
    measure: Measure,
    *,
    room: int | None = None,
    cap: int | None = None,
    minimum: int = MINIMUM,
) -> Packed:
    """Return the texts, cut to fit into `room` tokens together and into `cap` tokens each."""
    sizes = [measure(text) for text in texts]
    capped = sizes if cap is None else [min(size, cap) for size in sizes]
    needed = sum(min(size, max(minimum, 1)) for size in capped)
    if room is not None and needed > room:
        return Packed((), 0, needed)
    level = max(sizes, default=0) if cap is None else cap
    if room is not None and sum(capped) > room:
        level = _level(capped, room)
    packed: list[str] = []
    left_out = 0
    for text, size in zip(texts, sizes, strict=True):
        kept, gone = (text, 0) if size <= level else cut(text, level, measure)
        packed.append(kept)
        left_out += gone
    return Packed(tuple(packed), left_out, needed)


def cut(text: str, level: int, measure: Measure) -> tuple[str, int]:
    """Return a text cut to at most `level` tokens, and how many were left out.

    About two thirds of what is kept are its beginning, the rest its end. Where there is no room to say so,
    only the beginning is kept.
    """
    total = measure(text)
    # What is left out is less than the whole, so its number is not longer.
    for gap in (GAP.format(tokens=total), SHORT_GAP):
        kept = level - measure(gap)
        if kept < 2 * measure(gap):
            continue
        head = _head(text, kept - kept // 3, measure)
        tail = _tail(text[len(head) :], kept // 3, measure)
        gone = measure(text[len(head) : len(text) - len(tail)])
        shown = gap if gap == SHORT_GAP else GAP.format(tokens=gone)
        return (head.rstrip() or head) + shown + tail.lstrip(), gone
    head = _head(text, level, measure)
    return head, max(measure(text[len(head) :]), 1)


def _level(sizes: Sequence[int], room: int) -> int:
    """Return the level at which the longer ones are cut, so that all fit together."""
    left = len(sizes)
    for size in sorted(sizes):
        if size * left > room:
            return room // left
        room -= size
        left -= 1
    return max(sizes, default=0)


def _head(text: str, room: int, measure: Measure) -> str:
    """Return the longest beginning that fits, ended where a line or a word ends near by; never nothing."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    if low == len(text) or text[low].isspace():
        return text[:low]
    head = text[:low]
    line = head.rfind("\n")
    if line >= low * 3 // 4:
        return head[:line]
    word = max(head.rfind(" "), line)
    return head[:word] if word >= low // 2 and word > 0 else head


def _tail(text: str, room: int, measure: Measure) -> str:
    """Return the longest end that fits, begun where a line or a word begins near by."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[len(text) - middle :]) <= room:
            low = middle
        else:
            high = middle - 1
    start = len(text) - low
    if start == 0 or low == 0 or text[start - 1].isspace():
        return text[start:]
    line = text.find("\n", start)
    if 0 <= line <= start + low // 4:
        return text[line + 1 :]
    words = [place for place in (text.find(" ", start), line) if place >= 0]
    word = min(words, default=len(text))
    return text[word + 1 :] if word <= start + low // 2 else text[start:]
