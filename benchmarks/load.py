"""The clients of the server sides, in a process of their own: `python -m benchmarks.load`.

One line of standard input is one measurement: that many requests over as many connections as are in flight.

    {"port": 6620, "model": "panel", "stream": true, "requests": 200, "in_flight": 50}
"""

import asyncio
import json
import sys
import time
from typing import Any, cast

from . import payloads

try:
    import uvloop
except ImportError:  # Windows
    uvloop = None  # type: ignore[assignment]

END = b"\r\n0\r\n\r\n"


class Batch:
    """The requests of one measurement and how they fared."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.left: int = asked["requests"]
        self.stream: bool = asked["stream"]
        self.seconds: list[float] = []
        self.first: list[float] = []
        self.wrong: list[str] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open = 0
        fields = {"stream": True} if self.stream else {}
        message = {"role": "user", "content": payloads.PROMPT}
        body = json.dumps({"model": asked["model"], "messages": [message]} | fields).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{asked['port']}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body


class Client(asyncio.Protocol):
    """One connection: sends a request as soon as the last one is answered."""

    transport: asyncio.Transport

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.began = 0.0
        self.head = b""
        self.in_head = True
        self.missing = -1
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        self.transport = cast("asyncio.Transport", transport)
        self.batch.open += 1
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the batch after its last connection."""
        batch = self.batch
        if self.began:
            batch.wrong.append(f"closed in mid-answer: {exc}")
        batch.open -= 1
        if not batch.open and not batch.done.done():
            batch.done.set_result(None)

    def _ask(self) -> None:
        self.head, self.in_head, self.missing, self.tail = b"", True, -1, b""
        if self.batch.left == 0:
            self.began = 0.0
            self.transport.close()
            return
        self.batch.left -= 1
        self.began = time.monotonic()
        self.transport.write(self.batch.request)

    def data_received(self, data: bytes) -> None:
        """Looks for the end of the answer and for nothing else."""
        if self.in_head:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            data, self.in_head = (
                self.head[end + 2 :],
                False,
            )  # with a CRLF, so that END also fits an empty body
            head = self.head[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                self.batch.wrong.append(self.head[:300].decode("latin-1"))
            at = head.find(b"content-length:")
            if at >= 0:
                self.missing = int(head[at + 15 :].partition(b"\r")[0]) + 2
        if self.missing >= 0:
            self.missing -= len(data)
            if self.missing == 0:
                self._answered()
            return
        self.tail = (self.tail + data)[-64:]
        if self.tail.endswith(END):
            if self.batch.stream and b"data: [DONE]" not in self.tail:
                self.batch.wrong.append(f"no [DONE]: {self.tail.decode('latin-1')}")
            self._answered()

    def _answered(self) -> None:
        self.batch.seconds.append(time.monotonic() - self.began)
        self._ask()


async def measure(asked: dict[str, Any]) -> dict[str, Any]:
    """One measurement."""
    batch = Batch(asked)
    loop = asyncio.get_running_loop()
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(min(asked["in_flight"], asked["requests"])):
        await loop.create_connection(lambda: Client(batch), "127.0.0.1", asked["port"])
    await batch.done
    cpu, finished = time.process_time() - cpu, time.monotonic()
    median = sorted(batch.seconds)[len(batch.seconds) // 2] if batch.seconds else None
    return {
        "wall": finished - wall,
        "cpu": cpu,
        "requests": len(batch.seconds),
        "wrong": batch.wrong[:3],
        "median": median,
    }


async def serve() -> None:
    """Measures until standard input ends."""
    print('"ready"', flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await measure(json.loads(line))), flush=True)


def main() -> None:
    """Runs until standard input ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
