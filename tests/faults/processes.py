"""Running rows in processes of their own, those that mostly wait side by side."""

import asyncio
import logging
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

from tests.faults.card import Finding, Row, all_rows, found
from tests.faults.case import Scale

TOGETHER = 12
"""Rows that wait at once; what is left after their waits are the busy ones, one after the other."""
LONG = frozenset({"F8", "F21", "F24", "S06", "S09", "S15"})
"""Rows that take a minute of waiting or more."""


def measured(name: str, scale: Scale) -> Finding:
    """Run one row in this process."""
    logging.disable(logging.CRITICAL)
    return asyncio.run(found(all_rows()[name], scale))


def run(rows: Iterable[Row], scale: Scale, tell: Callable[[Finding], None]) -> dict[str, Finding]:
    """Run rows, each in a process of its own: first those that mostly wait, then the busy ones alone."""
    findings: dict[str, Finding] = {}
    context = multiprocessing.get_context("spawn")
    for busy, at_once in ((False, TOGETHER), (True, 1)):
        # The longest begin first, so that nothing is left to wait for at the end.
        names = sorted((row.name for row in rows if row.busy == busy), key=lambda name: name not in LONG)
        with ProcessPoolExecutor(at_once, mp_context=context, max_tasks_per_child=1) as pool:
            futures: list[Future[Finding]] = [pool.submit(measured, name, scale) for name in names]
            named = dict(zip(futures, names, strict=True))
            for future in as_completed(futures):
                name = named[future]
                try:
                    findings[name] = future.result()
                except Exception as error:  # noqa: BLE001 - a process that died is a row that does not hold
                    findings[name] = Finding(name, "", (repr(error),), 0.0)
                tell(findings[name])
    return findings
