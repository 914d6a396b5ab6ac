"""Hedging: when a second attempt is sent beside a slow first one, and how many of those there may be."""

from __future__ import annotations

from collections import deque

SHARE, SAVED = 0.05, 1.0
"""Hedges earned by each call (5 %), and how many may be saved up."""
REMEMBERED, NEEDED = 100, 20
"""How many first answers are remembered, and how many are needed to know what is slow."""
QUANTILE = 0.95


class Hedge:
    """What is known of one model's pace, and the token bucket of its hedges.

    A hedge is due when a call has waited longer for its first token than 95 of 100 calls before it did
    (Dean and Barroso, "The Tail at Scale", 2013).
    """

    __slots__ = ("_left", "_times", "calls", "hedges")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._left = 0.0
        self.calls = 0
        self.hedges = 0

    def call(self) -> float | None:
        """Note a call; return the seconds after which it is slow, None while that is not known."""
        self.calls += 1
        self._left = min(SAVED, self._left + SHARE)
        if len(self._times) < NEEDED:
            return None
        ordered = sorted(self._times)
        return ordered[min(int(len(ordered) * QUANTILE), len(ordered) - 1)]

    def note(self, seconds: float) -> None:
        """Remember how long a call's first token took, in seconds from the start of its attempt."""
        self._times.append(seconds)

    def spend(self) -> bool:
        """Take one hedge; False when there is none left."""
        if self._left < 1:
            return False
        self._left -= 1
        self.hedges += 1
        return True
