"""A server on a thread of its own that answers everything with the same bytes, and remembers who asked."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator


class Mirror(str):
    """The server's base URL, with the `requests` that came and the `connections` that were made."""

    __slots__ = ("connections", "requests")

    requests: list[bytes]
    connections: list[object]


@contextlib.contextmanager
def echoing(reply: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") -> Iterator[Mirror]:
    """Serve until the end of the block."""
    requests: list[bytes] = []
    connections: list[object] = []

    class Handler(socketserver.StreamRequestHandler):
        timeout = 20

        def handle(self) -> None:
            connections.append(self.client_address)
            with contextlib.suppress(OSError, ValueError):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = self.rfile.readline()
                    if not line:
                        return
                    head += line
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                requests.append(head + self.rfile.read(int(length or 0)))
                self.wfile.write(reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="echoing", daemon=True)
        thread.start()
        mirror = Mirror(f"http://127.0.0.1:{server.server_address[1]}/v1")
        mirror.requests, mirror.connections = requests, connections
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()
