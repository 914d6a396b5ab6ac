"""The timers of one attempt: to the first token, between tokens, in total."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from moakit.errors import ModelTimeout
from moakit.policies.clock import clock_of

MESSAGES = {
    "first_token": "no token within {seconds:g} s",
    "idle": "no further token for {seconds:g} s",
    "total": "no complete answer within {seconds:g} s",
}


class Timers:
    """Cancels the block when a timer runs out, and raises `ModelTimeout` in its place.

    One alarm serves all three: after the first token `beat` only notes the time, and the alarm is set anew
    when it rings too early, so that a token costs nothing.
    """

    __slots__ = (
        "_alarm", "_before", "_clock", "_last", "_limits", "_loop", "_model", "_resting", "_started", "_task", "expired",
    )  # fmt: skip

    def __init__(
        self, model: str, *, total: float, first_token: float | None = None, idle: float | None = None
    ) -> None:
        self._limits = (total, first_token, idle)
        self._model = model
        self.expired = ""

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("timers need a running task")
        self._task = task
        self._before = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._clock = clock_of(self._loop)
        self._started = self._loop.time()
        self._last: float | None = None
        self._resting = False
        self._alarm = self._clock.set(self._next()[0], self._check)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.clear(self._alarm)
        # Our own cancellation is taken back whatever the block made of it, as asyncio.timeout does.
        if self.expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            total, first_token, idle = self._limits
            seconds = {"total": total, "first_token": first_token, "idle": idle}[self.expired]
            raise ModelTimeout(
                MESSAGES[self.expired].format(seconds=seconds), timer=self.expired, model=self._model
            ) from error

    def beat(self, now: float | None = None) -> None:
        """Note that a token came, now unless it is said when."""
        last, self._last = self._last, self._loop.time() if now is None else now
        if last is None or self._resting:
            # From now on it is `idle` that counts, which may be due before the alarm is.
            self._resting = False
            due = self._next()[0]
            if due < self._alarm[0]:
                self._clock.clear(self._alarm)
                self._alarm = self._clock.set(due, self._check)

    def rest(self) -> None:
        """Let the idle timer stand still until the next beat: it is us who are being waited for."""
        self._resting = True

    def _next(self) -> tuple[float, str]:
        total, first_token, idle = self._limits
        due = (self._started + total, "total")
        if self._last is None:
            if first_token is not None:
                due = min(due, (self._started + first_token, "first_token"))
        elif idle is not None and not self._resting:
            due = min(due, (self._last + idle, "idle"))
        return due

    def _check(self) -> None:
        due, name = self._next()
        if due <= self._loop.time():
            self.expired = name
            self._task.cancel()
        else:
            self._alarm = self._clock.set(due, self._check)
