"""How many repetitions a model's failures may cause: a tenth of its calls, and a few to begin with."""

from __future__ import annotations

SHARE, RESERVE = 0.1, 10.0
"""Repetitions earned by each call, and how many may be saved up."""


class RetryBudget:
    """A bucket that each call fills a little and each repetition empties by one.

    So a provider in trouble gets a tenth more calls, not three times as many (as gRPC's retry throttling,
    https://github.com/grpc/proposal/blob/master/A6-client-retries.md).
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = RESERVE

    @property
    def left(self) -> float:
        """The repetitions that may be made now."""
        return self._left

    def earn(self) -> None:
        """Note a call."""
        if self._left < RESERVE:
            self._left = min(RESERVE, self._left + SHARE)

    def spend(self) -> bool:
        """Take one repetition; False when there is none."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
