"""Hearing one attempt's stream: every piece feeds the timers, then goes to the readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moakit.events import Delta

if TYPE_CHECKING:
    from moakit.policies.timers import Timers
    from moakit.run.scope import Run


class Ear:
    """Listens to one attempt; `first` is the loop's time when its first piece came.

    It is called for every piece, so it looks nothing up that stays the same.
    """

    __slots__ = ("_gate", "_journey", "_path", "_tail", "_time", "_timers", "_told", "first")

    def __init__(self, run: Run, timers: Timers, *, told: bool) -> None:
        journey = run.journey
        self._journey = journey
        self._path = run.path
        self._tail = run.tail
        self._time = journey.loop.time
        self._timers = timers
        self._told = told and journey.watched
        self._gate = journey.gate if self._told else None
        self.first: float | None = None

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        """Take one piece."""
        now = self._time()
        self._timers.beat(now)
        if self.first is None:
            self.first = now
        if self._told:
            journey = self._journey
            if self._tail:
                journey.answered = True
            journey.emit(
                Delta(
                    run_id=journey.run_id,
                    path=self._path,
                    at=now - journey.started,
                    text=text,
                    kind=kind,
                    answer=self._tail,
                    index=index,
                    data=data,
                )
            )

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return self._gate is not None and self._gate.full

    async def drain(self) -> None:
        """Wait for the reader; meanwhile the model is not late."""
        if self._gate is not None:
            self._timers.rest()
            await self._gate.drain()
            self._timers.beat(self._time())
