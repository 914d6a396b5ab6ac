"""How long to wait for several tasks: a quorum, a grace period, a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from moakit.policies.agreement import AGREED
from moakit.policies.clock import clock_of

Bearable: TypeAlias = Callable[[BaseException], bool]
Replace: TypeAlias = Callable[[BaseException], asyncio.Task[Any] | None]

GRACE = 2.0
"""The shortest default grace period, in seconds."""
_CANCELLED = asyncio.CancelledError()
"""Stands for the error of a task that was cancelled; it is never raised."""


def quorum_for(width: int, quorum: int | None, minimum: int = 1) -> tuple[int, int]:
    """Return how many of `width` proposals are enough, and the fewest that are when some have failed.

    A quorum that was given stays as it is. By default all of fewer than three are waited for; else all but
    one of those that have not failed, and never fewer than `minimum`.
    """
    if quorum is not None or width < 3:
        enough = width if quorum is None else min(width, quorum)
        return enough, enough
    least = min(width, minimum)
    return max(width - 1, least), least


async def collect(
    tasks: list[asyncio.Task[Any]],
    *,
    quorum: int,
    least: int | None = None,
    grace: float | None = None,
    timeout: float | None = None,
    strict: bool = False,
    bearable: Bearable | None = None,
    refill: Replace | None = None,
    agreed: Callable[[Any], bool] | None = None,
) -> str:
    """Wait until the tasks are done, or enough of them are; cancel the rest. All are done on return.

    Enough is: `quorum` of them succeeded and `grace` seconds have passed since; or `timeout` seconds have
    passed in all; or one of them failed, when `strict` or when its error is not `bearable`; or a result after
    which `agreed` says so. Each failure takes one off the quorum, down to `least`, unless `refill` gives
    another task, which then stands in the failed one's place in `tasks`.

    Returns why those that were not done were cancelled. When this wait is cancelled, so are the tasks, for
    the same reason. Raises what `refill` and `agreed` raise.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    end = None if timeout is None else started + timeout
    if not tasks:
        return ""
    watch = _Watch(tasks, loop, quorum, quorum if least is None else least)
    watch.strict, watch.bearable, watch.refill, watch.agreed = strict, bearable, refill, agreed
    for task in tasks:
        task.add_done_callback(watch.count)
    reason = "the run was cancelled"
    try:
        await _until(watch, end)
        if watch.pending and watch.enough and not watch.over:
            patience = max(GRACE, loop.time() - started) if grace is None else grace
            due = loop.time() + patience
            watch.give_grace()
            await _until(watch, due if end is None else min(end, due))
        reason = watch.over or ("the quorum was there" if watch.enough else "the layer's time was up")
    except asyncio.CancelledError as error:
        reason = str(error.args[0]) if error.args and error.args[0] else reason
        raise
    finally:
        watch.closed = True
        if watch.pending:
            await _cancel(tasks, reason)
    if watch.defect is not None:
        raise watch.defect
    return reason


class _Watch:
    """Counts what becomes of the tasks, and wakes who waits when that is decided."""

    __slots__ = (
        "_in_grace", "_least", "_loop", "_quorum", "_succeeded", "_tasks", "agreed", "bearable",
        "closed", "defect", "over", "pending", "refill", "strict", "waiter",
    )  # fmt: skip

    def __init__(
        self,
        tasks: list[asyncio.Task[Any]],
        loop: asyncio.AbstractEventLoop,
        quorum: int,
        least: int,
    ) -> None:
        self._tasks = tasks
        self._loop = loop
        self._quorum = quorum
        self._least = least
        self._succeeded = 0
        self._in_grace = False
        self.waiter: asyncio.Future[None] = loop.create_future()
        self.pending = len(tasks)
        self.over = ""
        self.closed = False
        self.defect: Exception | None = None
        self.strict = False
        self.bearable: Bearable | None = None
        self.refill: Replace | None = None
        self.agreed: Callable[[Any], bool] | None = None

    @property
    def enough(self) -> bool:
        """Whether the quorum is there."""
        return self._succeeded >= self._quorum

    def give_grace(self) -> None:
        """Wait anew: from here on the quorum itself is no reason to stop."""
        self._in_grace = True
        self.waiter = self._loop.create_future()

    def wake(self) -> None:
        """End the wait."""
        if not self.waiter.done():
            self.waiter.set_result(None)

    def count(self, task: asyncio.Task[Any]) -> None:
        """Count a task that is done."""
        if self.closed:
            return
        error = _CANCELLED if task.cancelled() else task.exception()
        try:
            if error is None:
                self.pending -= 1
                self._succeeded += 1
                if self.agreed is not None and not self.over and self.agreed(task.result()):
                    self.over = AGREED
            elif self.refill is None or not self._replaced(task, error):
                self._count_failure(error)
        except Exception as raised:  # noqa: BLE001 - it is raised where the tasks are waited for
            self.defect = raised
            self.over = f"{type(raised).__name__} was raised"
        if not self.pending or self.over or (self._succeeded >= self._quorum and not self._in_grace):
            self.wake()

    def _count_failure(self, error: BaseException) -> None:
        self.pending -= 1
        if self._quorum > self._least:
            self._quorum -= 1
        if self.over:
            return
        if self.strict:
            self.over = "another one failed"
        elif error is not _CANCELLED and self.bearable is not None and not self.bearable(error):
            self.over = f"another one raised {type(error).__name__}"

    def _replaced(self, task: asyncio.Task[Any], error: BaseException) -> bool:
        """Put another task in the place of one that failed, if there is one."""
        if self.over or error is _CANCELLED or self.refill is None:
            return False
        if self.bearable is not None and not self.bearable(error):
            return False
        stand_in = self.refill(error)
        if stand_in is None:
            return False
        self._tasks[self._tasks.index(task)] = stand_in
        stand_in.add_done_callback(self.count)
        return True


async def _until(watch: _Watch, when: float | None) -> None:
    if when is None:
        await watch.waiter
        return
    clock = clock_of(watch.waiter.get_loop())
    alarm = clock.set(when, watch.wake)
    try:
        await watch.waiter
    finally:
        clock.clear(alarm)


async def _cancel(tasks: Sequence[asyncio.Task[Any]], reason: str) -> None:
    for task in tasks:
        task.cancel(reason)
    # Their exceptions are looked at by whoever made them; here they only have to end.
    await asyncio.gather(*tasks, return_exceptions=True)
