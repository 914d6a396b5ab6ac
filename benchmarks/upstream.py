"""An instant OpenAI-compatible upstream with prebuilt answers: `python -m benchmarks.upstream --port N`.

The model's name chooses what it does: `paced` streams 100 tokens 10 ms apart, `wait-S` waits S seconds before
its answer, `first-S` sends the headers at once, the first token after S seconds, the rest 1 ms later; another
name answers 300 tokens at once. `GET /stats` tells when the last calls came, `POST /forget` forgets them.
"""

import argparse
import asyncio
import json
import time
from collections import deque
from typing import cast

import msgspec

from . import payloads

try:
    import uvloop
except ImportError:  # Windows
    uvloop = None  # type: ignore[assignment]

SLOTS = 10


class Asked(msgspec.Struct):
    """What the upstream reads of a request."""

    model: str
    stream: bool = False


class Wheel:
    """One timer for all paced streams: slots a millisecond apart, each turning every ten."""

    def __init__(self) -> None:
        self.slots: list[dict[Upstream, int]] = [{} for _ in range(SLOTS)]
        self.turn = 0
        self.running = False
        self.next = 0.0
        self.pieces = payloads.stream(payloads.PACED_TOKENS)

    def add(self, connection: "Upstream") -> None:
        """Starts a stream."""
        slot = min(self.slots, key=len)
        slot[connection] = 0
        if not self.running:
            self.running = True
            loop = asyncio.get_running_loop()
            self.next = loop.time()
            loop.call_soon(self._tick)

    def remove(self, connection: "Upstream") -> None:
        """Ends a stream whose client has gone."""
        for slot in self.slots:
            slot.pop(connection, None)

    def _tick(self) -> None:
        slot = self.slots[self.turn]
        self.turn = (self.turn + 1) % SLOTS
        for connection, at in list(slot.items()):
            connection.transport.write(self.pieces[at])
            if at + 1 == len(self.pieces):
                del slot[connection]
                connection.answered()
            else:
                slot[connection] = at + 1
        self.running = any(self.slots)
        if self.running:
            self.next += payloads.PACE / SLOTS
            asyncio.get_running_loop().call_at(self.next, self._tick)


class Book:
    """When calls came and when their first tokens went, by the machine's monotonic clock."""

    def __init__(self) -> None:
        self.calls = 0
        self.arrived: deque[tuple[str, float]] = deque(maxlen=1000)
        self.first_token: deque[float] = deque(maxlen=1000)

    def stats(self) -> bytes:
        """The book as an HTTP answer."""
        body = json.dumps(
            {
                "calls": self.calls,
                "arrived": list(self.arrived),
                "first_token": list(self.first_token),
            }
        ).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )


class Upstream(asyncio.Protocol):
    """One client's connection."""

    transport: asyncio.Transport
    whole = payloads.whole()
    burst = payloads.STREAM_HEAD + b"".join(payloads.stream())
    pieces = payloads.stream()

    def __init__(self, wheel: Wheel, book: Book) -> None:
        self.wheel = wheel
        self.book = book
        self.buffer = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leaves the wheel."""
        if self.busy:
            self.wheel.remove(self)

    def data_received(self, data: bytes) -> None:
        """Collects requests."""
        self.buffer += data
        if not self.busy:
            self._next()

    def answered(self) -> None:
        """Goes on to the next request."""
        self.busy = False
        if self.buffer:
            self._next()

    def _next(self) -> None:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].partition(b"\r")[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        self.busy = True
        if b"/stats" in head[:16]:
            self._write(self.book.stats())
        elif not body:
            self.book.arrived.clear()
            self.book.first_token.clear()
            self.book.calls = 0
            self._write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        else:
            self._answer(msgspec.json.decode(body, type=Asked))

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)
        self.answered()

    def _answer(self, asked: Asked) -> None:
        self.book.calls += 1
        self.book.arrived.append((asked.model, time.monotonic()))
        kind, _, seconds = asked.model.partition("-")
        whole = self.burst if asked.stream else self.whole
        if kind == "paced" and asked.stream:
            self.transport.write(payloads.STREAM_HEAD)
            self.wheel.add(self)
        elif kind == "wait":
            asyncio.get_running_loop().call_later(float(seconds), self._write, whole)
        elif kind == "first" and asked.stream:
            self.transport.write(payloads.STREAM_HEAD + self.pieces[0])
            asyncio.get_running_loop().call_later(float(seconds), self._first)
        else:
            self._write(whole)

    def _first(self) -> None:
        self.book.first_token.append(time.monotonic())
        self.transport.write(self.pieces[1])
        asyncio.get_running_loop().call_later(0.001, self._write, b"".join(self.pieces[2:]))


async def serve(port: int, *, share: bool) -> None:
    """Listens until killed and prints the port once it does."""
    wheel, book = Wheel(), Book()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Upstream(wheel, book), "127.0.0.1", port, backlog=4096, reuse_port=share or None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serves until killed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; it is printed")
    parser.add_argument("--share", action="store_true", help="let other processes listen on the same port")
    given = parser.parse_args()
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None)
    try:
        with runner:
            runner.run(serve(given.port, share=given.share))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
