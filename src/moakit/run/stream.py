"""A run whose events are read while it happens, from synchronous or asynchronous code."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

from moakit.errors import MoaError
from moakit.events import Delta, Event
from moakit.run import background
from moakit.run.journey import Gate
from moakit.types import Answer

ROOM, LENGTH = 512, 250_000
"""Events, and characters in them, that may wait for the reader before the upstream is held back."""


class Stream(Gate):
    """The events of one run; leaving its `with` or `async with` block cancels every call in flight.

    Iterate it for events, or `text` for the answer's tokens, with `for` or `async for`. `answer` is there
    once either came to its end.
    """

    __slots__ = (
        "_answer", "_ended", "_error", "_events", "_length", "_room", "_start", "_task", "_wake",
    )  # fmt: skip

    def __init__(self, start: Callable[[Stream], Awaitable[Answer]]) -> None:
        self._start = start
        self._events: deque[Event] = deque()
        self._length = 0
        self._wake: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._ended = False

    @property
    def answer(self) -> Answer:
        """The answer; raises the run's error, or `MoaError` when the run is not at its end."""
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise MoaError("the stream has not ended", hint="iterate it, or its `text`, to the end first")
        return self._answer

    @property
    def text(self) -> Text:
        """The answer's tokens."""
        return Text(self)

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return len(self._events) >= ROOM or self._length >= LENGTH

    async def drain(self) -> None:
        """Wait until the reader has taken what there is."""
        while self.full and not self._ended:
            # Several proposers may be waiting here at once.
            self._room.clear()
            await self._room.wait()

    def read(self, event: Event) -> None:
        """Take an event of the run."""
        self._events.append(event)
        if type(event) is Delta:
            self._length += len(event.text)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self._ended

    def cancel(self) -> None:
        """Cancel the run without waiting for its end."""
        if self._task is not None:
            self._task.cancel()

    async def take(self) -> list[Event]:
        """Return all events that are there, waiting for one; an empty list is the end."""
        await self._wait()
        events = list(self._events)
        self._events.clear()
        self._make_room()
        return events

    async def open(self) -> Self:
        """Start the run."""
        if self._task is not None:
            raise MoaError("a stream is one run", hint="call `stream` again for another")
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._end)
        return self

    async def close(self) -> None:
        """Cancel the run if it is not over, and wait until every call has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            self._answer = await self._start(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
            self._error = error

    def _end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._error = MoaError("the stream was closed before the run ended")
        self._ended = True
        self._room.set()
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _wait(self) -> bool:
        """Wait for an event; False is the end."""
        loop = asyncio.get_running_loop()
        if self._task is None:
            raise MoaError("the stream is not open", hint="use it in `with ensemble.stream(…) as stream:`")
        if self._task.get_loop() is not loop:
            raise MoaError(
                "the stream was opened on another event loop",
                hint="read it with `async for` inside `async with`, with `for` inside `with`",
            )
        if not self._events:
            self._make_room()
        while not self._events:
            if self._ended:
                return False
            self._wake = loop.create_future()
            await self._wake
        return True

    def _make_room(self) -> None:
        self._length = 0
        self._room.set()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        events = self._events
        while await self._wait():
            while events:
                yield events.popleft()

    def __enter__(self) -> Self:
        return background.call(self.open())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        background.call(self.close())

    def __iter__(self) -> Iterator[Event]:
        events = self._events
        while background.call(self._wait()):
            while events:
                yield events.popleft()


class Text:
    """The answer's tokens of a stream, for `for` and `async for`; raises the run's error at its end."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[str]:
        async for event in self._stream:
            if type(event) is Delta and event.answer and event.kind == "content" and event.index == 0:
                yield event.text
        _ = self._stream.answer

    def __iter__(self) -> Iterator[str]:
        for event in self._stream:
            if type(event) is Delta and event.answer and event.kind == "content" and event.index == 0:
                yield event.text
        _ = self._stream.answer
