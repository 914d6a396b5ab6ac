"""An upstream with a client of it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from .client import Client
from .server import Upstream


@pytest_asyncio.fixture
async def up() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture
async def client(up: Upstream) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield Client(up, session)
