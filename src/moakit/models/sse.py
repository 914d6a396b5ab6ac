"""A parser of server-sent events that takes bytes however they are cut.

It follows the WHATWG specification for what a model stream uses: `data` fields, multi-line data, comments,
CR, LF and CRLF, a byte order mark. It works on bytes, so no line of text is ever split at U+2028 or U+0085.
"""

from __future__ import annotations

import re

from moakit.errors import BadResponse

LIMIT = 16 * 1024 * 1024
"""The largest event taken, in bytes."""
MARK = b"\xef\xbb\xbf"
"""A byte order mark, which may stand before the first event."""
_DATA = re.compile(rb"^data(?:: ?(.*))?$", re.MULTILINE)
"""The value of a data field; the other lines of an event are never copied."""


class EventParser:
    """Turns the bytes of a stream into the data of its events."""

    __slots__ = ("_carriage", "_held", "_limit", "_started")

    def __init__(self, limit: int = LIMIT) -> None:
        self._held = bytearray()
        self._carriage = False
        self._started = False
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the data of every event they complete."""
        if not self._started:
            data = self._skip_mark(data)
        if self._carriage or b"\r" in data:
            data = self._normalised(data)
        held = self._held
        if held:
            # Only what is new is searched, so that a long event in many pieces is read once.
            new = len(held) - 1
            held += data
            if held.find(b"\n\n", new) < 0:
                return self._wait()
            data = bytes(held)
            held.clear()
        elif b"\n\n" not in data:
            held += data
            return self._wait()
        *blocks, rest = data.split(b"\n\n")
        if rest:
            held += rest
        if len(data) > self._limit:
            self._wait()
            if max(map(len, blocks)) > self._limit:
                raise self._too_large()
        return [found for block in blocks if (found := _data_of(block)) is not None]

    def close(self) -> list[bytes]:
        """Return the data of a last event that no blank line ended."""
        block = bytes(self._held)
        self._held.clear()
        found = _data_of(block)
        return [] if found is None else [found]

    def _wait(self) -> list[bytes]:
        held = self._held
        # A line end at the end may be the first half of the blank line, which is no part of the event.
        if len(held) > self._limit and len(held) - held.endswith(b"\n") > self._limit:
            raise self._too_large()
        return []

    def _too_large(self) -> BadResponse:
        return BadResponse(f"an event of the stream is larger than {self._limit} bytes", should_retry=False)

    def _skip_mark(self, data: bytes) -> bytes:
        data = bytes(self._held) + data
        self._held.clear()
        if len(data) < len(MARK) and MARK.startswith(data):
            self._held += data
            return b""
        self._started = True
        return data.removeprefix(MARK)

    def _normalised(self, data: bytes) -> bytes:
        # A CR at the end may be the first half of a CRLF, so a following LF is dropped.
        if self._carriage and data.startswith(b"\n"):
            data = data[1:]
        elif not data:
            return data
        self._carriage = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data_of(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines: list[bytes] = _DATA.findall(block)
    return b"\n".join(lines) if lines else None
