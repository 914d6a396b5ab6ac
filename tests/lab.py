"""A provider on the fault-injecting upstream, and what tests ask about a call."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

import moakit
from tests.upstream import Call, Upstream

FENCED = re.compile(r"<<<\w+ reference \d+>>>\n(.*?)(?=\n<<<)", re.DOTALL)


@pytest_asyncio.fixture
async def up() -> AsyncIterator[Upstream]:
    """An upstream of the test's own; afterwards nothing may be left open, no call and no task."""
    async with Upstream() as upstream:
        yield upstream
        await upstream.idle()
        await moakit.aclose()
        await quiet()


@pytest_asyncio.fixture
async def lab(up: Upstream) -> moakit.Provider:
    """The upstream as a provider; its calls cost nothing, so a cost is known whatever becomes of them."""
    return lab_on(up)


def lab_on(upstream: Upstream) -> moakit.Provider:
    return moakit.Provider("lab", base_url=upstream.base_url, api_key="key", price=0)


async def until(condition: Callable[[], object], bound: float = 10) -> None:
    """Wait until something is so."""
    end = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < end, f"not so within {bound} s"
        await asyncio.sleep(0.001)


async def quiet(bound: float = 1) -> None:
    """Wait until no task but this one is left."""
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, bound)


def references_in(call: Call) -> list[str]:
    """Return the references a call was shown, in their order."""
    return FENCED.findall(call.prompt)


def together(calls: list[Call]) -> bool:
    """Say whether there was a moment when all of these calls were in flight."""
    return max(call.at for call in calls) < min(call.finished_at or 0.0 for call in calls)


def follows(later: list[Call], earlier: list[Call]) -> bool:
    """Say whether each of these calls began after all of those had ended."""
    return min(call.at for call in later) >= max(call.finished_at or float("inf") for call in earlier)
