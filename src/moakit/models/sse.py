"""A parser of server-sent events that takes bytes however they are cut.

It follows the WHATWG specification for what a model stream uses: `data` fields, multi-line data, comments,
CR, LF and CRLF, a byte order mark. It works on bytes, so no line of text is ever split at U+2028 or U+0085.
"""

from __future__ import annotations

from moakit.errors import BadResponse

LIMIT = 16 * 1024 * 1024
"""The largest event taken, in bytes."""


class EventParser:
    """Turns the bytes of a stream into the data of its events."""

    __slots__ = ("_carriage", "_limit", "_rest", "_started")

    def __init__(self, limit: int = LIMIT) -> None:
        self._rest = b""
        self._carriage = False
        self._started = False
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the data of every event they complete."""
        if not self._started:
            data = self._skip_mark(data)
        if self._carriage or b"\r" in data:
            data = self._normalised(data)
        rest = self._rest + data if self._rest else data
        if rest.find(b"\n\n", max(0, len(self._rest) - 1)) < 0:
            self._rest = rest
            if len(rest) > self._limit:
                raise BadResponse(f"an event of the stream is larger than {self._limit} bytes")
            return []
        *blocks, self._rest = rest.split(b"\n\n")
        return [found for block in blocks if (found := _data_of(block)) is not None]

    def close(self) -> list[bytes]:
        """Return the data of a last event that no blank line ended."""
        block, self._rest = self._rest, b""
        found = _data_of(block)
        return [] if found is None else [found]

    def _skip_mark(self, data: bytes) -> bytes:
        data = self._rest + data
        self._rest = b""
        if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
            self._rest = data
            return b""
        self._started = True
        return data.removeprefix(b"\xef\xbb\xbf")

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
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
