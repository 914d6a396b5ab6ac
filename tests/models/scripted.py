"""A server that answers every request with bytes of the test's own, however odd."""

import asyncio
from typing import Any, Self

JSON = "application/json"


class Scripted:
    """Sends the next of its answers for each request, the last one again and again.

    `ends`: the connection is closed after each answer.
    """

    def __init__(self, *answers: bytes, ends: bool = False, tls: Any = None) -> None:
        self.answers = list(answers)
        self.ends = ends
        self.tls = tls
        self.requests: list[bytes] = []
        self.base_url = ""
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        scheme = "https" if self.tls else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
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
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
                await writer.drain()
                if self.ends:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """Return an HTTP answer with a Content-Length, which may lie."""
    fields = {"Content-Type": JSON, "Content-Length": str(len(body) if length is None else length)}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def stream(*events: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return a chunked answer of server-sent events; `end` is what comes in place of the body's end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"data: " + event + b"\n\n" for event in events)
    return head + b"%x\r\n%b\r\n" % (len(body), body) + end
