"""How long to wait for several tasks: a quorum, a grace period, a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from moakit.policies.clock import clock_of

GRACE = 2.0
"""The shortest default grace period, in seconds."""


def quorum_for(width: int, quorum: int | None) -> int:
    """Return how many of `width` proposals are enough: all of fewer than three, else all but one."""
    return min(width, quorum) if quorum is not None else (width if width < 3 else width - 1)


async def collect(
    tasks: Sequence[asyncio.Task[Any]],
    *,
    quorum: int,
    grace: float | None = None,
    timeout: float | None = None,
    strict: bool = False,
    bearable: Callable[[BaseException], bool] | None = None,
) -> None:
    """Wait until the tasks are done, or enough of them are; cancel the rest. All are done on return.

    Enough is: `quorum` of them succeeded and `grace` seconds have passed since; or `timeout` seconds have
    passed in all; or one of them failed, when `strict` or when its error is not `bearable`. When this wait is
    cancelled, so are the tasks.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    end = None if timeout is None else started + timeout
    waiter = loop.create_future()
    pending = len(tasks)
    succeeded = 0
    broken = ""
    grace_runs = False

    def count(task: asyncio.Task[Any]) -> None:
        nonlocal pending, succeeded, broken
        pending -= 1
        if not task.cancelled() and task.exception() is None:
            succeeded += 1
        else:
            broken = broken or _breaks(task, strict=strict, bearable=bearable)
        if (not pending or broken or (succeeded >= quorum and not grace_runs)) and not waiter.done():
            waiter.set_result(None)

    def expire() -> None:
        if not waiter.done():
            waiter.set_result(None)

    for task in tasks:
        task.add_done_callback(count)
    reason = "the run was cancelled"
    try:
        if not tasks:
            return
        await _until(waiter, end, expire, loop)
        if pending and succeeded >= quorum and not broken:
            grace_runs = True
            waiter = loop.create_future()
            patience = max(GRACE, loop.time() - started) if grace is None else grace
            due = loop.time() + patience
            await _until(waiter, due if end is None else min(end, due), expire, loop)
        reason = broken or ("the quorum was there" if succeeded >= quorum else "the layer's time was up")
    finally:
        if pending:
            await _cancel(tasks, reason)


def _breaks(
    task: asyncio.Task[Any], *, strict: bool, bearable: Callable[[BaseException], bool] | None
) -> str:
    """Return why the others need not go on after this one failed, "" when they should."""
    if strict:
        return "another one failed"
    error = None if task.cancelled() else task.exception()
    if error is None or bearable is None or bearable(error):
        return ""
    return f"another one raised {type(error).__name__}"


async def _until(
    waiter: asyncio.Future[None], when: float | None, expire: Any, loop: asyncio.AbstractEventLoop
) -> None:
    if when is None:
        await waiter
        return
    clock = clock_of(loop)
    alarm = clock.set(when, expire)
    try:
        await waiter
    finally:
        clock.clear(alarm)


async def _cancel(tasks: Sequence[asyncio.Task[Any]], reason: str) -> None:
    for task in tasks:
        task.cancel(reason)
    # Their exceptions are looked at by whoever made them; here they only have to end.
    await asyncio.gather(*tasks, return_exceptions=True)
