"""The connections of clients: one that has stopped reading is closed, endless headers are refused."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from moakit.server.replies import Failure, encoded

WRITE_TIMEOUT = 60.0
"""Seconds without a single byte taken, while there is something to send, after which a client has left."""
MOST_HEAD = 65_536
"""Bytes of a request's address and headers; the parser itself knows no limit."""
LINGER = 2.0
"""Seconds for which a refused client may go on sending: were it cut off, it would not read its answer."""
TOO_LONG = Failure(
    431, f"the headers are larger than the {MOST_HEAD} bytes this server takes (send fewer or shorter ones)",
    code="headers_too_large",
)  # fmt: skip


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with a limit of headers, and a write timeout that runs while the socket is full."""

    _watch: asyncio.TimerHandle | None = None
    _left = 0
    # Whether a request's head is awaited, how many bytes have come since, whether it was too long.
    _heading = True
    _came = 0
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        if self._refused:
            return
        if self._heading:
            self._came += len(data)
        super().data_received(data)
        if self._heading and self._came > MOST_HEAD and not self._refused:
            self._refuse()

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is too long although it came quickly."""
        self._heading = False
        if self._came > MOST_HEAD and _size(self.url, self.headers) > MOST_HEAD:
            self._refuse()
            # What comes after it is not to be parsed.
            raise ValueError(TOO_LONG.message)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Await the head of the next request."""
        self._heading = True
        self._came = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, if it was not answered already."""
        if not self._refused:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """Begin to watch whether the client takes anything."""
        super().pause_writing()
        self._left = self.transport.get_write_buffer_size()
        self._watch = self.loop.call_later(WRITE_TIMEOUT, self._check)

    def resume_writing(self) -> None:
        """Stop watching: it has taken most of what there was."""
        super().resume_writing()
        self._unwatch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        super().connection_lost(exc)
        self._unwatch()

    def _check(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= self._left:
            self.transport.abort()
        else:
            self._left = left
            self._watch = self.loop.call_later(WRITE_TIMEOUT, self._check)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _refuse(self) -> None:
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            # It is still being answered another request.
            self.transport.close()
            return
        body = encoded({"error": TOO_LONG.body()})
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.loop.call_later(LINGER, self.transport.close)


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in headers)
