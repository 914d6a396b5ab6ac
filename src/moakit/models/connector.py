"""Opening connections within a time that covers name lookup, every address and TLS together."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp


class Connector(aiohttp.TCPConnector):
    """Raises `TimeoutError` when a new connection takes longer than `patience` seconds.

    aiohttp's own `connect` timeout sets a timer for every request, also for those on a connection that is
    there already; this one is paid for by new connections alone.
    """

    def __init__(self, *, patience: float, **options: Any) -> None:
        super().__init__(**options)
        self._patience = patience

    async def _create_connection(self, *arguments: Any, **options: Any) -> Any:
        async with asyncio.timeout(self._patience):
            return await super()._create_connection(*arguments, **options)
