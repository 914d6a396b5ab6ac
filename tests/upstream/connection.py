"""One client's socket."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import count
from typing import Any, Literal, cast

from .calls import Call, CallLog
from .replies import Ending, Reply
from .requests import Request, RequestReader

PIECE = 65536
PHRASES = {int(status): status.phrase for status in HTTPStatus}


class Connection(asyncio.Protocol):
    """Requests in, planned replies out, one after the other."""

    numbers = count(1)
    transport: asyncio.Transport

    def __init__(
        self,
        log: CallLog,
        plan: Callable[[Call], tuple[Reply, bool]],
        peers: set["Connection"],
        broken: list[Exception],
    ) -> None:
        self.log = log
        self.plan = plan
        self.peers = peers
        self.broken = broken
        self.number = next(self.numbers)
        self.reader = RequestReader()
        self.task: asyncio.Task[None] | None = None
        self.stale = False
        self.gone = False
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.peers.add(self)

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        self._next()

    def eof_received(self) -> bool:
        self.transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self.task is None:
            self.peers.discard(self)
        else:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def drop(self) -> None:
        """Closes at once; the call in flight counts as aborted."""
        self.transport.abort()

    def _left(self, call: Call, status: Literal["done", "aborted"]) -> None:
        self.log.left(call, status, asyncio.get_running_loop().time())

    def _next(self) -> None:
        if self.task is not None or self.transport.is_closing():
            return
        try:
            request = self.reader.next()
        except ValueError:
            self.transport.abort()
            return
        if request is not None:
            call = self._call(request)
            self.log.arrived(call)
            self.task = asyncio.get_running_loop().create_task(self._serve(call))

    def _call(self, request: Request) -> Call:
        body: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(request.body)
        return Call(
            method=request.method,
            path=request.path.partition("?")[0],
            headers=request.headers,
            body=body if isinstance(body, dict) else {},
            connection=self.number,
            at=asyncio.get_running_loop().time(),
            raw=request.body,
        )

    async def _serve(self, call: Call) -> None:
        try:
            plan, stale = self.plan(call)
            if self.stale:
                plan = Reply(0, (), before=Ending.CLOSE)
            self.stale = stale
            await self._carry_out(plan, call)
        except asyncio.CancelledError:  # by connection_lost: the client has gone
            self._left(call, "aborted")
        except Exception as exc:  # noqa: BLE001  a mistake of the upstream's own: `stop` raises it
            self.broken.append(exc)
            self._left(call, "done")
            self.transport.abort()
        finally:
            self.task = None
            if self.gone:
                self.peers.discard(self)
            else:
                self._next()

    async def _carry_out(self, plan: Reply, call: Call) -> None:
        if plan.delay:
            await asyncio.sleep(plan.delay)
        if plan.before is not None:
            await self._end(plan.before, plan, call)
            return
        chunked = plan.length is None
        framing = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(plan.length)}
        headers = plan.headers | framing | {"x-request-id": f"req-{call.connection}-{call.number}"}
        phrase = PHRASES.get(plan.status, "Overloaded")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {plan.status} {phrase}\r\n{head}\r\n".encode())
        call.code = plan.status
        for step in plan.steps:
            if isinstance(step, bytes):
                await self._send(step, plan, call)
            elif isinstance(step, Ending):
                await self._end(step, plan, call)
                return
            else:
                await self._wait(step, plan, call)
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        await self.writable.wait()
        self._left(call, "done")

    async def _send(self, data: bytes, plan: Reply, call: Call) -> None:
        size = 1 if plan.bytewise else PIECE
        pieces: Sequence[bytes] = [data[at : at + size] for at in range(0, len(data), size)]
        for piece in pieces:
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if plan.length is None else piece)
            call.sent += len(piece)
            if plan.bytewise or self.transport.is_closing():  # `connection_lost` needs its turn
                await asyncio.sleep(0)
            await self.writable.wait()

    async def _wait(self, seconds: float, plan: Reply, call: Call) -> None:
        if not plan.ping:
            await asyncio.sleep(seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await self._send(plan.ping, plan, call)
            await asyncio.sleep(min(0.05, left))

    async def _end(self, ending: Ending, plan: Reply, call: Call) -> None:
        if ending is Ending.HANG:
            await self._wait(86_400, plan, call)
        self._left(call, "done")
        if ending is Ending.RESET:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        else:
            self.transport.close()
