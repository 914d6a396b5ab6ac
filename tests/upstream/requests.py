"""HTTP/1.1 requests out of a byte stream."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class RequestReader:
    """Collects bytes until a request is whole; keeps what belongs to the next one."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Request | None:
        """The next whole request, if there is one; ValueError if it is no HTTP."""
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head = _head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        method, path, headers = self._head
        if headers.get("transfer-encoding", "").lower() == "chunked":
            whole = self._take_chunks()
        else:
            length = int(headers.get("content-length", "0"))
            whole = len(self._buffer) >= length
            if whole:
                self._body += self._buffer[:length]
                del self._buffer[:length]
        if not whole:
            return None
        request = Request(method, path, headers, bytes(self._body))
        self._head, self._body = None, bytearray()
        return request

    def _take_chunks(self) -> bool:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:end].partition(b";")[0], 16)
            if len(self._buffer) < end + 2 + size + 2:
                return False
            self._body += self._buffer[end + 2 : end + 2 + size]
            del self._buffer[: end + 2 + size + 2]
            if size == 0:
                return True
        return False


def _head(data: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = data.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return method, path, {name.strip().lower(): value.strip() for name, _, value in pairs}
