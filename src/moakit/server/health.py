"""Whether the server lives, and whether it takes new work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from moakit.policies.admission import Admission
from moakit.server.replies import NOSNIFF

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    from moakit.config.schema import KeyConfig, ServerConfig

_HEADERS = {NOSNIFF[0].decode(): NOSNIFF[1].decode()}


class Load:
    """The requests under way, and whether the server is draining, or has even stopped waiting for them.

    `admission` is who may run now, None where all may; `shares` the same for each key that has a limit.
    """

    def __init__(self, server: ServerConfig | None = None, keys: Sequence[KeyConfig] = ()) -> None:
        self.admission: Admission | None = None
        if server is not None and server.concurrency is not None:
            queue = server.concurrency if server.queue is None else server.queue
            self.admission = Admission(server.concurrency, queue)
        self.shares = {key.name: Admission(key.concurrency) for key in keys if key.concurrency is not None}
        self.draining = False
        self.stopped = False
        self._requests: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._requests)

    @contextmanager
    def holding(self, request: asyncio.Task[None]) -> Iterator[None]:
        """Count a request in."""
        self._requests.add(request)
        self._idle.clear()
        try:
            yield
        finally:
            self._requests.discard(request)
            if not self._requests:
                self._idle.set()

    async def idle(self, within: float) -> None:
        """Wait until nothing runs, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()

    def turn_away(self) -> int:
        """Refuse those that wait for their turn, and return how many they were."""
        return 0 if self.admission is None else self.admission.close()

    def stop(self) -> None:
        """End whatever still runs; each client is told."""
        self.stopped = True
        for request in self._requests:
            request.cancel()


class Health:
    """The two probes."""

    def __init__(self, load: Load) -> None:
        self._load = load

    async def live(self, request: Request) -> PlainTextResponse:
        """Answer that the process lives."""
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("ok\n", headers=_HEADERS)

    async def ready(self, request: Request) -> PlainTextResponse:
        """Answer whether new requests are taken."""
        from starlette.responses import PlainTextResponse

        if self._load.draining:
            return PlainTextResponse("draining\n", status_code=503, headers=_HEADERS)
        return PlainTextResponse("ok\n", headers=_HEADERS)
