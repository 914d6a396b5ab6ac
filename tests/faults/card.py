"""The rows of the card: what each claims, how it is run, what was found."""

import asyncio
import contextlib
import gc
import importlib
import pkgutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.case import Case, Scale

Body = Callable[[Case], Awaitable[str]]
LATER = {"F28": ("kill -9 while writing the run store", "comes with the run store")}
"""Rows whose subject does not exist yet."""
SETTLING = 1.0
"""Seconds in which sockets, tasks and calls have to be back where they were."""


@dataclass(frozen=True)
class Row:
    """One fault, what must hold, and the function that finds out."""

    name: str
    fault: str
    claim: str
    body: Body
    busy: bool
    """Whether it needs the machine for itself; the others mostly wait, and run side by side."""


@dataclass(frozen=True)
class Finding:
    """What a row found."""

    row: str
    figure: str
    failures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.failures


ROWS: dict[str, Row] = {}


def row(name: str, fault: str, claim: str, *, busy: bool = False) -> Callable[[Body], Body]:
    """Enter a function in the card."""

    def enter(body: Body) -> Body:
        assert name not in ROWS, f"{name} stands twice"
        ROWS[name] = Row(name, fault, claim, body, busy)
        return body

    return enter


def all_rows() -> dict[str, Row]:
    """Every row, F1 to F32, then S01 to S16."""
    rows = importlib.import_module("tests.faults.rows")
    for module in pkgutil.iter_modules(rows.__path__, f"{rows.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(ROWS.items(), key=lambda item: (item[0][0], int(item[0][1:]))))


async def found(row: Row, scale: Scale) -> Finding:
    """Run a row, then look whether everything is back where it was before."""
    loop = asyncio.get_running_loop()
    unretrieved: list[str] = []
    loop.set_exception_handler(lambda _, context: unretrieved.append(_told(context)))
    _warm()
    before = descriptors()
    began = time.monotonic()
    case = Case(scale)
    figure = ""
    try:
        async with case:
            figure = await row.body(case)
            await case.probe()
    except Exception as error:  # noqa: BLE001 - whatever it is, the row does not hold
        case.failures.append(f"{type(error).__name__}: {error}" if str(error) else repr(error))
    case.failures += await _left_over(before, SETTLING * scale.slack)
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    case.failures += unretrieved
    return Finding(row.name, figure, tuple(case.failures), time.monotonic() - began)


def _warm() -> None:
    """Let the server's event loop open what it keeps for as long as the process lives."""
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop").new_event_loop().close()


def descriptors() -> int | None:
    """How many files and sockets this process has open; None where the system does not say."""
    try:
        return len([*Path("/dev/fd").iterdir()])
    except OSError:
        return None


async def _left_over(before: int | None, within: float) -> list[str]:
    end = time.monotonic() + within
    while True:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        now = descriptors()
        more = 0 if before is None or now is None else now - before
        if not tasks and more <= 0:
            return []
        if time.monotonic() > end:
            names = [repr(task.get_coro()) for task in tasks][:3]
            return [f"left over after {within:g} s: {len(tasks)} tasks {names}, {more} descriptors"]
        await asyncio.sleep(0.01)


def _told(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"the loop was told: {context.get('message')}" + (f" ({error!r})" if error else "")
