"""The circuit breaker: a model that fails again and again is left alone for a moment, then probed."""

from __future__ import annotations

import copy
import random

from moakit.errors import CallError, ModelTimeout
from moakit.policies.retry import PATIENCE, retryable

FIRST, LONGEST = 1.0, 4.0
"""Seconds before the first probe, and the most between two: a model that is back is used within 5 s."""

OPEN = "circuit_open"
"""The code of an error that stands for a call that was not made."""


class Breaker:
    """Opens when `limit` calls in a row have failed, each with all its attempts; 0 never opens.

    While it is open calls are refused without being made, but for a single probe now and then; a probe that
    succeeds closes it. What counts as failing is what may pass by itself: 429, 5xx, broken connections,
    silence. A request that is wrong says nothing about the model. Times are those of the event loop.
    """

    __slots__ = ("_error", "_failures", "_until", "_wait", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._failures = 0
        self._until = 0.0
        self._wait = FIRST
        self._error: CallError | None = None

    @property
    def open(self) -> bool:
        """Whether calls are refused, but for a probe."""
        return self._error is not None

    def refusal(self, now: float) -> CallError | None:
        """Return the error of a call that is not made, None when it may be made."""
        error = self._error
        if error is None:
            return None
        if now >= self._until:
            # A probe; the next one follows later, whether or not this one has ended by then.
            self._until = now + LONGEST
            return None
        return self._refused(error, self._until - now)

    def succeeded(self) -> None:
        """Note a call that gave an answer."""
        if self._failures:
            self._failures = 0
            self._error = None

    def failed(self, error: CallError, now: float) -> None:
        """Note a call that failed for good."""
        if not (isinstance(error, ModelTimeout) or retryable(error)):
            return
        self._failures += 1
        if not self.limit or self._failures < self.limit:
            return
        self._wait = FIRST if self._error is None else min(self._wait * 2, LONGEST)
        asked = min(error.retry_after or 0.0, PATIENCE)
        self._until = now + max(self._wait * random.uniform(0.8, 1.0), asked)
        self._error = error

    def _refused(self, last: CallError, wait: float) -> CallError:
        error = copy.copy(last)
        error.__traceback__ = error.__cause__ = error.__context__ = None
        error.args = (f"not asked: it failed {self._failures} times in a row, at last with: {last.message}",)
        error.retry_after = wait
        error.should_retry = False
        error.code = OPEN
        error.hint = f"it is tried again in {wait:.1f} s; a fallback would answer meanwhile"
        return error
