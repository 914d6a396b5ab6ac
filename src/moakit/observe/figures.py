"""Writing seconds, tokens and dollars for people."""

from __future__ import annotations

import math


def seconds(value: float) -> str:
    """Return seconds with one decimal, or minutes and seconds."""
    return f"{value:.1f} s" if value < 90 else f"{int(value // 60)} min {int(value % 60)} s"


def tokens(count: int) -> str:
    """Return a number of tokens."""
    return f"{count:,} token{'' if count == 1 else 's'}"


def dollars(cost: float | None) -> str:
    """Return dollars with three significant digits; an unknown cost is said to be unknown."""
    if cost is None:
        return "cost unknown"
    if cost == 0:
        return "$0"
    if cost >= 1:
        return f"${cost:.2f}"
    if cost >= 0.001:
        return f"${cost:.4f}"
    return f"${cost:.{2 - math.floor(math.log10(cost))}f}".rstrip("0")
