"""Ending a block of code at a time: it is cancelled, and an error of ours is raised in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from moakit.policies.clock import Alarm, Clock, clock_of


class Deadline:
    """Cancels the block at `when` (a time of the loop) and raises what `error` makes, or `failure` returns.

    It does what `asyncio.timeout_at` does, on the loop's one clock and without awaiting.
    """

    __slots__ = ("_alarm", "_before", "_clock", "_error", "_loop", "_task", "_when", "expired")

    def __init__(
        self, when: float, error: Callable[[], Exception] | None = None, *, clock: Clock | None = None
    ) -> None:
        self._when = when
        self._error = error
        self._clock = clock or clock_of(asyncio.get_running_loop())
        self._loop = self._clock.loop
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a running task")
        self._task = task
        self._before = task.cancelling()
        self._alarm: Alarm = self._clock.set(self._when, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.clear(self._alarm)
        # Our own cancellation is taken back whatever the block made of it, as asyncio.timeout does.
        if self.expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise self.failure() from error

    def failure(self) -> Exception:
        """Return the error that is raised in place of the cancellation."""
        return TimeoutError() if self._error is None else self._error()

    def _ring(self) -> None:
        self.expired = True
        self._task.cancel("the time was up")

    def _move(self, when: float) -> None:
        self._clock.clear(self._alarm)
        self._when = when
        self._alarm = self._clock.set(when, self._ring)
