"""Whether the server lives, and whether it takes new work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.requests import Request


class Load:
    """How many runs are under way, and whether the server is draining."""

    def __init__(self) -> None:
        self.running = 0
        self.draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self.running += 1
        self._idle.clear()

    def __exit__(self, *error: object) -> None:
        self.running -= 1
        if not self.running:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()


class Health:
    """The two probes."""

    def __init__(self, load: Load) -> None:
        self._load = load

    async def live(self, request: Request) -> PlainTextResponse:
        """Answer that the process lives."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> PlainTextResponse:
        """Answer whether new requests are taken."""
        if self._load.draining:
            return PlainTextResponse("draining\n", status_code=503)
        return PlainTextResponse("ok\n")
