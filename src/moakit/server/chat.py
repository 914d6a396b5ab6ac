"""`POST /v1/chat/completions`: a request in, an answer out, streamed or whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from moakit.errors import MoaError
from moakit.events import CallFailed, Delta, Event, LayerFinished, RunFailed, RunFinished, RunStarted
from moakit.run.stream import Stream
from moakit.server.replies import Failure, failure_of, send_failure, send_json
from moakit.server.requests import BodyTimeout, BodyTooLarge, Work, read_body, understand
from moakit.server.wire import DONE, KEEP_ALIVE, Chunks, completion, usage_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from moakit.config import Config
    from moakit.server.health import Load

SILENCE = 10.0
"""Seconds without a byte after which a keep-alive comment is sent."""


class Chat:
    """The endpoint."""

    def __init__(self, config: Config, load: Load, *, overrides: bool) -> None:
        self._config = config
        self._load = load
        self._overrides = overrides

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._load.draining:
            failure = Failure(
                503, "the server is shutting down", kind="server_error", retry_after=1, should_retry=True
            )
            await send_failure(send, failure, {"connection": "close"})
            return
        with self._load:
            try:
                body = await read_body(scope, receive, self._config.server.max_body)
                work = understand(body, self._config, overrides=self._overrides)
            except ConnectionResetError:
                return
            except BodyTooLarge as error:
                await send_failure(
                    send, Failure(413, str(error), code="request_too_large"), {"connection": "close"}
                )
                return
            except BodyTimeout as error:
                await send_failure(send, Failure(408, str(error)), {"connection": "close"})
                return
            except MoaError as error:
                await send_failure(send, failure_of(error))
                return
            await self._answer(work, receive, send)

    async def _answer(self, work: Work, receive: Receive, send: Send) -> None:
        report = self._config.server.usage
        reply: _Streamed | _Whole = (
            _Streamed(work, send, report) if work.stream else _Whole(work, send, report)
        )
        stream = work.ensemble.stream(
            work.prompt, proposers=work.events, extra=work.parameters, answer=work.stream
        )
        gone = asyncio.create_task(_until_gone(receive, stream))
        try:
            async with stream:
                await reply.relay(stream)
        except OSError:
            # The client left while something was sent to it.
            pass
        finally:
            gone.cancel()


async def _until_gone(receive: Receive, stream: Stream) -> None:
    """Cancel the run when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()


class _Whole:
    """Sends the answer as one JSON object."""

    def __init__(self, work: Work, send: Send, report: str) -> None:
        self._work = work
        self._send = send
        self._report = report

    async def relay(self, stream: Stream) -> None:
        """Wait for the end of the run and send what came of it."""
        run_id = ""
        while events := await stream.take():
            for event in events:
                run_id = event.run_id
                if type(event) is RunFinished:
                    answer = event.answer
                    headers = _headers(run_id, degraded=answer.degraded)
                    usage = usage_of(answer, report=self._report)
                    await send_json(self._send, 200, completion(answer, self._work.name, usage), headers)
                elif type(event) is RunFailed:
                    await send_failure(self._send, failure_of(event.error), {"x-moa-run-id": run_id})


class _Streamed:
    """Sends the answer as server-sent events, the headers as late as is sensible."""

    def __init__(self, work: Work, send: Send, report: str) -> None:
        self._work = work
        self._send = send
        self._report = report
        self._chunks: Chunks | None = None
        self._run_id = ""
        self._degraded = False
        self._started = False
        self._opened: set[int] = set()
        self._sent_at = 0.0

    async def relay(self, stream: Stream) -> None:
        """Send the events of the run as they come, and a comment when there are none for long."""
        loop = asyncio.get_running_loop()
        self._sent_at = loop.time()

        def check() -> None:
            nonlocal beat
            due = self._sent_at + SILENCE
            if loop.time() >= due:
                stream.nudge()
                due = loop.time() + SILENCE
            beat = loop.call_at(due, check)

        beat = loop.call_at(self._sent_at + SILENCE, check)
        try:
            while True:
                events = await stream.take()
                if not events and stream.ended:
                    break
                if await self._send_events(events):
                    self._sent_at = loop.time()
        finally:
            beat.cancel()

    async def _send_events(self, events: Sequence[Event]) -> bool:
        """Send what these events are to the client; no events are a silence. Says whether anything was sent."""
        body = b"" if events else KEEP_ALIVE
        last = False
        for event in events:
            if type(event) is RunFailed and not self._started and not body:
                await send_failure(self._send, failure_of(event.error), {"x-moa-run-id": self._run_id})
                return True
            body += self._bytes_of(event)
            last = last or type(event) is RunFinished or type(event) is RunFailed
        if not body:
            return False
        if not self._started:
            self._started = True
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
            ]
            own = _headers(self._run_id, degraded=self._degraded)
            headers += [(name.encode(), value.encode()) for name, value in own.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})
        return True

    def _bytes_of(self, event: Event) -> bytes:
        kind = type(event)
        chunks = self._chunks
        if chunks is None:
            self._run_id = event.run_id
            chunks = self._chunks = Chunks(event.run_id, self._work.name)
        told = chunks.event(event) if self._work.events else b""
        if kind is Delta:
            if not event.answer:  # type: ignore[union-attr]
                return told
            return told + self._opening(event.index) + chunks.delta(event)  # type: ignore[union-attr, arg-type]
        if isinstance(event, RunFinished):
            usage = b""
            if self._work.include_usage:
                usage = chunks.usage(usage_of(event.answer, report=self._report))
            return told + self._opening(0) + chunks.closing(event.answer) + usage + DONE
        if isinstance(event, RunFailed):
            return told + chunks.failure(failure_of(event.error))
        if isinstance(event, CallFailed) or (isinstance(event, LayerFinished) and event.dropped):
            self._degraded = True
        elif kind is RunStarted:
            self._run_id = event.run_id
        return told

    def _opening(self, index: int) -> bytes:
        if index in self._opened or self._chunks is None:
            return b""
        self._opened.add(index)
        return self._chunks.opening(index)


def _headers(run_id: str, *, degraded: bool) -> dict[str, str]:
    return {"x-moa-run-id": run_id, "x-moa-degraded": str(degraded).lower()}
