"""The timers of one attempt: to the first token, between tokens, in total."""

from __future__ import annotations

import asyncio

from moakit.errors import ModelTimeout
from moakit.policies.clock import Clock, clock_of
from moakit.policies.deadline import Deadline

MESSAGES = {
    "first_token": "no token within {seconds:g} s",
    "idle": "no further token for {seconds:g} s",
    "total": "no complete answer within {seconds:g} s",
}


class Timers(Deadline):
    """Cancels the block when a timer runs out, and raises `ModelTimeout` in its place.

    One alarm serves all three: after the first token `beat` only notes the time, and the alarm is set anew
    when it rings too early, so that a token costs nothing. `started` is the loop's time when they were made.
    """

    __slots__ = ("_last", "_limits", "_model", "_resting", "started", "timer")

    def __init__(
        self,
        model: str,
        *,
        total: float,
        first_token: float | None = None,
        idle: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or clock_of(asyncio.get_running_loop())
        self._limits = (total, first_token, idle)
        self._model = model
        self._last: float | None = None
        self._resting = False
        self.started = clock.loop.time()
        self.timer = ""
        when = self.started + (total if first_token is None else min(total, first_token))
        super().__init__(when, clock=clock)

    def beat(self, now: float | None = None) -> None:
        """Note that a token came, now unless it is said when."""
        last, self._last = self._last, self._loop.time() if now is None else now
        if last is None or self._resting:
            # From now on it is `idle` that counts, which may be due before the alarm is.
            self._resting = False
            due = self._next()[0]
            if due < self._when:
                self._move(due)

    def rest(self) -> None:
        """Let the idle timer stand still until the next beat: it is us who are being waited for."""
        self._resting = True

    def _next(self) -> tuple[float, str]:
        total, first_token, idle = self._limits
        due = (self.started + total, "total")
        if self._last is None:
            if first_token is not None:
                due = min(due, (self.started + first_token, "first_token"))
        elif idle is not None and not self._resting:
            due = min(due, (self._last + idle, "idle"))
        return due

    def _ring(self) -> None:
        due, self.timer = self._next()
        if due <= self._loop.time():
            super()._ring()
        else:
            self._move(due)

    def failure(self) -> ModelTimeout:
        """Return the error of the timer that rang."""
        total, first_token, idle = self._limits
        seconds = {"total": total, "first_token": first_token, "idle": idle}[self.timer]
        message = MESSAGES[self.timer].format(seconds=seconds)
        return ModelTimeout(message, timer=self.timer, model=self._model)
