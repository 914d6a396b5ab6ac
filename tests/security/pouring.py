"""A server that goes on sending, piece after piece, until nobody takes any more."""

import asyncio
import contextlib
from collections.abc import Iterable
from itertools import chain, repeat
from typing import Self

HEAD = b"HTTP/1.1 200 OK\r\n"
JSON = HEAD + b"Content-Type: application/json\r\n"
EVENTS = HEAD + b"Content-Type: text/event-stream\r\n"


class Pouring:
    """Answers a request with `head`, then `pieces`, then `again` without an end, `pause` seconds apart."""

    def __init__(
        self,
        head: bytes,
        *,
        pieces: Iterable[bytes] = (),
        again: bytes = b"",
        chunked: bool = True,
        pause: float = 0,
    ) -> None:
        self.head = head + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"")
        self.pieces = list(pieces)
        self.again = again
        self.chunked = chunked
        self.pause = pause
        self.sent = 0
        self.requests = 0
        self.base_url = ""
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.001)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            writer.write(self.head)
            for piece in chain(self.pieces, repeat(self.again) if self.again else ()):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)
                self.sent += len(piece)
                await writer.drain()
                await asyncio.sleep(self.pause)
            if self.chunked:
                writer.write(b"0\r\n\r\n")
            await writer.drain()
        writer.close()
        self._writers.discard(writer)
