"""Adding up rankings: a Borda count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Tally(NamedTuple):
    """What became of one candidate: its place in the order given, its points, how often it came first."""

    place: int
    points: int
    firsts: int


def borda(rankings: Sequence[Sequence[int]], count: int) -> list[Tally]:
    """Return the tallies of `count` candidates, the best one first.

    Each ranking names all candidates by their places, best first; of n the best gets n - 1 points, the last
    none. Of two with the same points the one that came first more often is better, then the earlier one.
    """
    points, firsts = [0] * count, [0] * count
    for ranking in rankings:
        for rank, place in enumerate(ranking):
            points[place] += count - 1 - rank
            firsts[place] += rank == 0
    tallies = [Tally(place, points[place], firsts[place]) for place in range(count)]
    return sorted(tallies, key=lambda tally: (-tally.points, -tally.firsts, tally.place))
