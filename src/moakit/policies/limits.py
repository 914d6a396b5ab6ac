"""A provider's limits, shared by all runs of an event loop: requests and tokens a minute, calls at once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from moakit.models.loops import forget_closed

if TYPE_CHECKING:
    from moakit.models.providers import Endpoint

MINUTE = 60.0
_GONE = float("-inf")

_limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Any, ...], Limiter]] = WeakKeyDictionary()


class Window:
    """At most `limit` units in any 60 seconds."""

    __slots__ = ("_entries", "_limit", "_used")

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._entries: deque[list[float]] = deque()
        self._used = 0.0

    def delay(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` more fits; one above the limit fits when nothing is used."""
        while self._entries and self._entries[0][0] <= now - MINUTE:
            entry = self._entries.popleft()
            self._used -= entry[1]
            entry[0] = _GONE
        if not self._entries or self._used + amount <= self._limit:
            return 0.0
        freed = 0.0
        for at, used in self._entries:
            freed += used
            if self._used - freed + amount <= self._limit:
                return at + MINUTE - now
        return self._entries[-1][0] + MINUTE - now

    def take(self, amount: float, now: float) -> list[float]:
        """Count an amount from now on; the entry returned is what `settle` corrects."""
        entry = [now, amount]
        self._entries.append(entry)
        self._used += amount
        return entry

    def settle(self, entry: list[float], amount: float) -> None:
        """Replace an estimate by what was really used; after its minute it does not count any more."""
        if entry[0] != _GONE:
            self._used += amount - entry[1]
            entry[1] = amount


class Permit:
    """Leave for one call: `settle` says how many tokens it took in the end, `release` that it is over."""

    __slots__ = ("_entry", "_limiter")

    def __init__(self, limiter: Limiter, entry: list[float] | None) -> None:
        self._limiter = limiter
        self._entry = entry

    def settle(self, tokens: int) -> None:
        """Correct the estimate; without a token limit this does nothing."""
        if self._entry is not None:
            self._limiter.settle(self._entry, tokens)

    def release(self) -> None:
        """Give the place back."""
        self._limiter.release()


class Limiter:
    """One provider's limits; callers are served in the order they came."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._requests = Window(endpoint.requests_per_minute) if endpoint.requests_per_minute else None
        self._tokens = Window(endpoint.tokens_per_minute) if endpoint.tokens_per_minute else None
        self._slots = asyncio.Semaphore(endpoint.concurrency) if endpoint.concurrency else None
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    async def acquire(self, tokens: int) -> Permit:
        """Wait until a call of about this many tokens may be made, and hold its place till it is released."""
        if self._slots is None:
            return await self._admit(tokens)
        await self._slots.acquire()
        try:
            return await self._admit(tokens)
        except BaseException:
            self._slots.release()
            raise

    def settle(self, entry: list[float], tokens: int) -> None:
        """Replace a call's estimate by what it really took."""
        if self._tokens is not None:
            self._tokens.settle(entry, tokens)
            self._settled.set()

    def release(self) -> None:
        """Give a call's place back."""
        if self._slots is not None:
            self._slots.release()

    async def _admit(self, tokens: int) -> Permit:
        loop = asyncio.get_running_loop()
        async with self._turn:
            while delay := max(
                self._requests.delay(1, loop.time()) if self._requests else 0.0,
                self._tokens.delay(tokens, loop.time()) if self._tokens else 0.0,
            ):
                await self._wait(delay)
            if self._requests:
                self._requests.take(1, loop.time())
            return Permit(self, self._tokens.take(tokens, loop.time()) if self._tokens else None)

    async def _wait(self, delay: float) -> None:
        # Room may come before the delay is over: when a call turns out to have taken less than expected.
        self._settled.clear()
        try:
            async with asyncio.timeout(delay):
                await self._settled.wait()
        except TimeoutError:
            pass


def limiter_for(endpoint: Endpoint | None) -> Limiter | None:
    """Return the running loop's limiter of an endpoint, None when it has no limits."""
    if endpoint is None or not (
        endpoint.requests_per_minute or endpoint.tokens_per_minute or endpoint.concurrency
    ):
        return None
    limits = (endpoint.requests_per_minute, endpoint.tokens_per_minute, endpoint.concurrency)
    # The same provider with other limits is limited anew, as when a notebook's cell is run again.
    identity = (*endpoint.identity, *limits)
    loop = asyncio.get_running_loop()
    limiters = _limiters.get(loop)
    if limiters is None:
        forget_closed(_limiters)
        limiters = _limiters[loop] = {}
    limiter = limiters.get(identity)
    if limiter is None:
        limiter = limiters[identity] = Limiter(endpoint)
    return limiter
