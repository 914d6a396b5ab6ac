"""The upstream: its port, its memory, its answer to each call."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any, Self

from .behaviour import BadPart, parse
from .calls import Call, CallLog
from .connection import Connection
from .failures import error
from .replies import Reply, plain, reply

CHAT = "/v1/chat/completions"


class Upstream:
    """An OpenAI-compatible server whose faults are chosen by the model's name.

    `keys`: other bearer tokens are a 401; None accepts anything.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, keys: set[str] | None = None) -> None:
        self.host = host
        self.port = port
        self.keys = keys
        self.models: list[str | dict[str, Any]] = ["alpha", "beta", "gamma", "large"]
        self.behaves: dict[str, str] = {}
        self._log = CallLog()
        self._serial = count(1)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._broken: list[Exception] = []

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    @property
    def calls(self) -> list[Call]:
        """Every call since the last `reset`, in order of arrival."""
        return self._log.calls

    @property
    def open(self) -> list[Call]:
        """The calls in flight."""
        return self._log.open

    @property
    def peak(self) -> int:
        """The most calls in flight at once."""
        return self._log.peak

    @property
    def connections(self) -> int:
        """The sockets that clients hold open."""
        return len(self._connections)

    def of(self, model: str) -> list[Call]:
        """The calls of that model, in order."""
        return [call for call in self.calls if call.model == model]

    def reset(self) -> None:
        """Forgets every call and counter; only `open` and `idle` still know of calls in flight."""
        self._log.reset()

    async def idle(self, timeout: float = 1) -> None:
        """Waits until no call is open; TimeoutError, naming the open ones, after `timeout` seconds."""
        end = time.monotonic() + timeout
        while self._still_open(end):
            await asyncio.sleep(0.002)

    def wait_idle(self, timeout: float = 1) -> None:
        """`idle` for another thread than the upstream's."""
        end = time.monotonic() + timeout
        while self._still_open(end):
            time.sleep(0.002)

    def _still_open(self, end: float) -> bool:
        found = self.open
        if found and time.monotonic() > end:
            raise TimeoutError(f"still open: {[call.model or call.path for call in found]}")
        return bool(found)

    async def start(self) -> None:
        """Listens; on the same port again after `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, self.host, self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the port and drops every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drop()
        while self._connections:
            await asyncio.sleep(0)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
        if self._broken:
            raise ExceptionGroup("the upstream itself failed", self._broken)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @classmethod
    @contextlib.contextmanager
    def in_thread(cls, *, port: int = 0, keys: set[str] | None = None) -> Iterator["Upstream"]:
        """An upstream on a loop and thread of its own, for synchronous tests and subprocesses."""
        upstream = cls(port=port, keys=keys)
        ready, stop = threading.Event(), asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []
        failed: list[BaseException] = []

        async def main() -> None:
            loops.append(asyncio.get_running_loop())
            async with upstream:
                ready.set()
                await stop.wait()

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as exc:  # noqa: BLE001  handed to the thread that waits for it
                failed.append(exc)
            finally:
                ready.set()

        thread = threading.Thread(target=run, name="upstream", daemon=True)
        thread.start()
        ready.wait()
        try:
            if not failed:
                yield upstream
        finally:
            for loop in loops:
                with contextlib.suppress(RuntimeError):  # it has ended by itself
                    loop.call_soon_threadsafe(stop.set)
            thread.join()
        if failed:
            raise failed[0]

    def _connect(self) -> Connection:
        return Connection(self._log, self._reply, self._connections, self._broken)

    def _reply(self, call: Call) -> tuple[Reply, bool]:
        """The plan for a call, with whether the connection goes stale after it."""
        if self.keys is not None and call.key not in self.keys:
            return plain(401, error(401)), False
        if call.method == "GET" and call.path == "/v1/models":
            entries = [self._entry(model) for model in self.models]
            return plain(200, {"object": "list", "data": entries}), False
        if call.method != "POST" or call.path != CHAT:
            return plain(
                404, error(404, code="not_found", message=f"No route {call.method} {call.path}")
            ), False
        if not call.model or not call.messages:
            return plain(400, error(400, message="model and messages are required")), False
        try:
            behaviour = parse(self.behaves.get(call.model, call.model)).at_call(call.number)
        except BadPart as exc:
            return plain(400, error(400, code="bad_part", message=str(exc))), False
        return reply(behaviour, call, next(self._serial)), behaviour.has("stale")

    @staticmethod
    def _entry(model: str | dict[str, Any]) -> dict[str, Any]:
        given = model if isinstance(model, dict) else {"id": model}
        return {"object": "model", "created": 1_700_000_000, "owned_by": "upstream"} | given
