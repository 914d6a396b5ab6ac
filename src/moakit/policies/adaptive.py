"""How many calls a provider bears at once, learnt from its 429s."""

from __future__ import annotations

PART = 0.7
"""What a 429 leaves of the calls then in flight."""
MARGIN, LEAST_MARGIN = 2.0, 4
"""The cap is lifted beyond so many times what was in flight when it was cut, and at least so many more."""
QUIET = 60.0
"""Seconds without a 429 after which the cap is lifted."""


class Adaptive:
    """A cap on calls at once that is not there until a 429 comes: cut by a part, raised one by one.

    `cap` is None while there is none, else at least 1; `cuts` counts the cuts so far. A call is told apart by
    the `cuts` at its beginning: what became of one begun before the last cut says nothing of the cap since.
    """

    __slots__ = ("_goal", "_refused_at", "_successes", "cap", "cuts")

    def __init__(self) -> None:
        self.cap: int | None = None
        self.cuts = 0
        self._successes = 0
        self._goal = 0.0
        self._refused_at = 0.0

    @property
    def lifted_at(self) -> float:
        """When the cap is lifted if no 429 comes until then."""
        return self._refused_at + QUIET

    def refused(self, begun: int, in_flight: int, now: float) -> None:
        """Take a 429 into account, of a call begun after `begun` cuts with so many in flight."""
        self._refused_at = now
        if begun == self.cuts:
            self.cuts += 1
            self.cap = max(1, int(in_flight * PART))
            self._successes = 0
            self._goal = max(in_flight * MARGIN, in_flight + LEAST_MARGIN)

    def succeeded(self, begun: int) -> None:
        """Raise the cap by one for as many successes as it allows at once."""
        if self.cap is None or begun != self.cuts:
            return
        self._successes += 1
        if self._successes >= self.cap:
            self._successes = 0
            self.cap += 1
            if self.cap > self._goal:
                self.cap = None

    def full(self, in_flight: int, now: float) -> bool:
        """Say whether one more call would pass the cap, which is lifted here when its time has come."""
        if self.cap is not None and now >= self.lifted_at:
            self.cap = None
        return self.cap is not None and in_flight >= self.cap
