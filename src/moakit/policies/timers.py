"""The timers of one attempt: to the first token, between tokens, in total."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from moakit.errors import ModelTimeout

MESSAGES = {
    "first_token": "no token within {seconds:g} s",
    "idle": "no further token for {seconds:g} s",
    "total": "no complete answer within {seconds:g} s",
}


class Timers:
    """Cancels the block when a timer runs out, and raises `ModelTimeout` in its place.

    One timer handle serves all three: after the first token `beat` only notes the time, and the handle
    re-arms itself when it fires too early, so that a token costs nothing.
    """

    __slots__ = (
        "_before", "_handle", "_last", "_limits", "_loop", "_model", "_started", "_task", "expired",
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
        self._started = self._loop.time()
        self._last: float | None = None
        self._handle = self._loop.call_at(self._next()[0], self._check)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        # Our own cancellation is taken back whatever the block made of it, as asyncio.timeout does.
        if self.expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            total, first_token, idle = self._limits
            seconds = {"total": total, "first_token": first_token, "idle": idle}[self.expired]
            raise ModelTimeout(
                MESSAGES[self.expired].format(seconds=seconds), timer=self.expired, model=self._model
            ) from error

    def beat(self) -> None:
        """Note that a token came."""
        if self._last is not None:
            self._last = self._loop.time()
            return
        self._last = self._loop.time()
        # From now on it is `idle` that counts, which may be due before the handle was set to fire.
        due = self._next()[0]
        if due < self._handle.when():
            self._handle.cancel()
            self._handle = self._loop.call_at(due, self._check)

    def _next(self) -> tuple[float, str]:
        total, first_token, idle = self._limits
        due = (self._started + total, "total")
        if self._last is None:
            if first_token is not None:
                due = min(due, (self._started + first_token, "first_token"))
        elif idle is not None:
            due = min(due, (self._last + idle, "idle"))
        return due

    def _check(self) -> None:
        due, name = self._next()
        if due <= self._loop.time():
            self.expired = name
            self._task.cancel()
        else:
            self._handle = self._loop.call_at(due, self._check)
