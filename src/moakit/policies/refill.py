"""Who takes the place of a proposer that failed for good: the next of the bench, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

StandIn: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
"""Begins one member of the bench; called when its turn comes, never twice."""


class Refill:
    """Starts a member of the bench for each task that failed, in order; one that fails is replaced as well.

    `replaced` holds the errors that were made up for, in the order they happened.
    """

    __slots__ = ("_bench", "_start", "replaced")

    def __init__(
        self, bench: Iterable[StandIn], start: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
    ) -> None:
        self._bench = iter(bench)
        self._start = start
        self.replaced: list[Exception] = []

    def __call__(self, error: BaseException) -> asyncio.Task[Any] | None:
        """Return the task that stands in for the one with this error, None when the bench is empty."""
        begin = next(self._bench, None)
        if begin is None:
            return None
        task = self._start(begin())
        if isinstance(error, Exception):
            self.replaced.append(error)
        return task
