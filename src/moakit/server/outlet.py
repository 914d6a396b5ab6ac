"""Sending what a run tells to one client, as server-sent events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moakit.events import Delta, Event
from moakit.run.journey import Gate, Journey
from moakit.server.replies import NOSNIFF
from moakit.server.wire import DONE, KEEP_ALIVE, Chunks, usage_of

if TYPE_CHECKING:
    from starlette.types import Send

    from moakit.server.replies import Failure
    from moakit.server.requests import Work
    from moakit.types import Answer

SILENCE = 10.0
"""Seconds without a byte after which a keep-alive comment is sent."""


class Outlet(Gate):
    """One client of a streamed answer: a reader of the run's events that writes them out.

    It is read to and drained by the run's own task, so a token costs no switch between tasks, and a client
    that does not read holds the upstream back. The headers go out with the first byte, so that a run that
    fails before it still gets its real status.
    """

    def __init__(self, work: Work, send: Send, *, report: str) -> None:
        self.started = False
        self._send = send
        self._work = work
        self._report = report
        self._chunks = Chunks("", work.name)
        self._pending: list[bytes] = []
        self._opened: set[int] = set()
        self._sending = False
        self._last = False
        self._turns: list[asyncio.Future[None]] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._beat = self._loop.call_at(self._sent_at + SILENCE, self._check)

    def attend(self, journey: Journey) -> None:
        """Say whose events these will be."""
        self._journey = journey
        self._chunks = Chunks(journey.run_id, self._work.name)

    def read(self, event: Event) -> None:
        """Take an event of the run."""
        if self._work.events:
            self._pending.append(self._chunks.event(event))
        if type(event) is Delta:
            if event.answer:
                self._open(event.index)
                self._pending.append(self._chunks.delta(event))
        elif self._pending:
            # Whoever tells this does not stream, and so does not come by to drain.
            self._flush_soon()

    @property
    def full(self) -> bool:
        """Whether there is something to send: every piece goes out when it comes."""
        return bool(self._pending)

    async def drain(self) -> None:
        """Send what there is; who comes while another task sends waits for the end of that."""
        while self._sending:
            turn = self._loop.create_future()
            self._turns.append(turn)
            await turn
        if self._pending:
            body = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
            self._pending.clear()
            await self._write(body)

    async def finish(self, answer: Answer) -> None:
        """Send the end of a good answer."""
        self._open(0)
        self._pending += [self._closing(answer), DONE]
        await self._end()

    def _closing(self, answer: Answer) -> bytes:
        closing = self._chunks.closing(answer)
        if not self._work.include_usage:
            return closing
        return closing + self._chunks.usage(usage_of(answer, report=self._report))

    async def fail(self, failure: Failure) -> None:
        """Send an error inside the stream, which then ends without `[DONE]`."""
        self._pending.append(self._chunks.failure(failure))
        await self._end()

    def close(self) -> None:
        """Stop the keep-alives and whatever is still being sent."""
        self._beat.cancel()
        for flush in self._flushes:
            flush.cancel()

    async def _end(self) -> None:
        await self.drain()
        self._last = True
        await self._write(b"")

    async def _write(self, body: bytes) -> None:
        self._sending = True
        try:
            if not self.started:
                await self._send({"type": "http.response.start", "status": 200, "headers": self._head()})
                self.started = True
            self._sent_at = self._loop.time()
            await self._send({"type": "http.response.body", "body": body, "more_body": not self._last})
        except asyncio.CancelledError:
            # Sending waits before it writes, so none of this went out: whoever comes next sends it.
            self._pending.insert(0, body)
            raise
        finally:
            self._sending = False
            if self._turns:
                turns, self._turns = self._turns, []
                for turn in turns:
                    if not turn.done():
                        turn.set_result(None)

    def _head(self) -> list[tuple[bytes, bytes]]:
        own = headers_of(self._journey)
        return [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            NOSNIFF,
            *((name.encode(), value.encode()) for name, value in own.items()),
        ]

    def _open(self, index: int) -> None:
        if index not in self._opened:
            self._opened.add(index)
            self._pending.append(self._chunks.opening(index))

    def _check(self) -> None:
        """Send a comment when nothing was sent for long."""
        due = self._sent_at + SILENCE
        if self._loop.time() >= due:
            self._pending.append(KEEP_ALIVE)
            self._flush_soon()
            due = self._loop.time() + SILENCE
        self._beat = self._loop.call_at(due, self._check)

    async def _flush(self) -> None:
        # What is told while this is being sent finds a flush under way, and starts none.
        while self._pending:
            await self.drain()

    def _flush_soon(self) -> None:
        if not self._flushes:
            flush = self._loop.create_task(self._flush())
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)


def headers_of(journey: Journey) -> dict[str, str]:
    """Return the headers that tell of a run, as far as it is known by now."""
    return {"x-moa-run-id": journey.run_id, "x-moa-degraded": str(journey.degraded).lower()}
