"""A sliding window: at most so many units in any 60 seconds."""

from __future__ import annotations

from collections import deque

MINUTE = 60.0
_GONE = float("-inf")
MOST = 1e12
"""More than any call takes: what is asked for may be any number, and sums of these have to stay exact."""


class Entry:
    """An amount taken from a window at a time; `open` while it is an estimate."""

    __slots__ = ("amount", "at", "open", "window")

    def __init__(self, window: Window, at: float, amount: float, *, estimate: bool) -> None:
        self.window = window
        self.at = at
        self.amount = amount
        self.open = estimate

    def settle(self, amount: float) -> None:
        """Replace the amount by what was really used; after its minute it does not count any more."""
        if self.at != _GONE:
            self.window.correct(self, amount)
        self.open = False


class Window:
    """At most `limit` units in any 60 seconds; a limit of 0.5 is one unit in 120 seconds.

    Times are those of one clock, in seconds, and never go back.
    """

    __slots__ = ("_entries", "_most", "_open", "_span", "_used", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._most = max(limit, 1.0)
        self._span = MINUTE / min(limit, 1.0)
        self._entries: deque[Entry] = deque()
        self._used = 0.0
        self._open = 0.0

    def free_at(self, amount: float, now: float) -> float:
        """Return when `amount` more fits, `now` if it does; one above the limit fits when nothing is used."""
        self._forget(now)
        return self._free_at(min(amount, MOST), now, self._used, estimates=True)

    def certain(self, amount: float, now: float, before: float = 0) -> float:
        """Return the earliest time at which `amount` can fit once `before` was taken.

        Estimates count as nothing here, since what they turn out to be may make room at any moment.
        """
        self._forget(now)
        minutes, rest = divmod(before + min(amount, self._most), self._most)
        if not rest and minutes:
            # All of the limit is the last part of this minute, not the first of the next.
            minutes, rest = minutes - 1, self._most
        return self._free_at(rest, now, self._used - self._open, estimates=False) + minutes * self._span

    def take(self, amount: float, now: float, *, estimate: bool = False) -> Entry:
        """Count an amount from now on; the entry returned is settled later."""
        amount = min(amount, MOST)
        entry = Entry(self, now, amount, estimate=estimate)
        self._entries.append(entry)
        self._used += amount
        if estimate:
            self._open += amount
        return entry

    def correct(self, entry: Entry, amount: float) -> None:
        """Count an entry as another amount, which is not an estimate any more."""
        amount = min(amount, MOST)
        if entry.open:
            self._open -= entry.amount
        self._used += amount - entry.amount
        entry.amount = amount

    def _forget(self, now: float) -> None:
        while self._entries and self._entries[0].at + self._span <= now:
            entry = self._entries.popleft()
            self._used -= entry.amount
            if entry.open:
                self._open -= entry.amount
            entry.at = _GONE

    def _free_at(self, amount: float, now: float, used: float, *, estimates: bool) -> float:
        when = now
        for entry in self._entries:
            if used <= 0 or used + amount <= self._most:
                break
            if estimates or not entry.open:
                used -= entry.amount
                when = entry.at + self._span
        return when
