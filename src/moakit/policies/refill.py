"""Who takes the place of a proposer that failed for good: the next of the bench, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

StandIn: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
"""Begins one member of the bench; called when its turn comes, never twice."""


class Refill:
    """Starts a member of the bench for each task that failed, in order; one that fails is replaced as well.

    From `until` on, a time of the loop, nobody is started any more. `replaced` holds the errors that were
    made up for, in the order they happened.
    """

    __slots__ = ("_bench", "_loop", "_until", "replaced")

    def __init__(self, bench: Iterable[StandIn], *, until: float, loop: asyncio.AbstractEventLoop) -> None:
        self._bench = iter(bench)
        self._until = until
        self._loop = loop
        self.replaced: list[Exception] = []

    def __call__(self, error: BaseException) -> asyncio.Task[Any] | None:
        """Return the task that stands in for one with this error; None when nobody is left, or no time."""
        begin = next(self._bench, None) if self._loop.time() < self._until else None
        if begin is None:
            return None
        task = self._loop.create_task(begin())
        if isinstance(error, Exception):
            self.replaced.append(error)
        return task
