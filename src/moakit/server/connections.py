"""The connections of clients: one that has stopped reading is closed, whatever is still to be sent to it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol

WRITE_TIMEOUT = 60.0
"""Seconds without a single byte taken, while there is something to send, after which a client has left."""


class Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's protocol with a write timeout, which runs only while the socket is full."""

    _watch: asyncio.TimerHandle | None = None
    _left = 0

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
