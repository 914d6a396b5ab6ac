"""Who may run now, who waits for a place, and who is told at once to come back later."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from moakit.errors import MoaError
from moakit.policies.clock import clock_of

RECENT = 20
"""About how many runs the mean run time looks back on."""
SOON = 1.0
"""The shortest wait that is asked for, in seconds."""


class Overloaded(MoaError):
    """There is no place; `retry_after` is in how many seconds those before will probably be through."""

    def __init__(self, message: str, *, retry_after: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Admission:
    """At most `concurrency` runs at once, and at most `queue` that wait, in the order they came.

    How long one would wait is estimated from how long the recent runs took, and those running now have been
    at it: who could not have a place in time is refused at once.
    """

    def __init__(self, concurrency: int, queue: int = 0) -> None:
        self.concurrency = concurrency
        self.queue = queue
        self.running = 0
        self._closed = False
        # What a future is given: the time at which its run has its place, or why it gets none.
        self._waiting: OrderedDict[asyncio.Future[float | Overloaded], None] = OrderedDict()
        self._mean = 0.0
        self._seen = 0
        self._starts = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    def enter(self) -> float:
        """Take a place now, and return the time, which `leave` wants; raises `Overloaded`."""
        now = asyncio.get_running_loop().time()
        if self.running >= self.concurrency:
            raise self._refusal("all places are taken", now)
        self.running += 1
        self._starts += now
        return now

    async def turn(self, patience: float) -> float:
        """Take a place, waiting at most this many seconds, and return the time at which it was had.

        Raises `Overloaded`, at once where the wait would be too long. Who is cancelled gives up the place.
        """
        if self.running < self.concurrency:
            return self.enter()
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._closed:
            raise self._refusal("nobody is let in any more", now)
        if len(self._waiting) >= self.queue:
            raise self._refusal(f"{self.running} runs and {len(self._waiting)} waiting are all it takes", now)
        wait = self._wait(now)
        if wait > patience:
            raise self._refusal(
                f"the wait of about {wait:.0f} s would exceed the {patience:g} s there are", now
            )
        place: asyncio.Future[float | Overloaded] = loop.create_future()
        self._waiting[place] = None
        clock = clock_of(loop)
        alarm = clock.set(now + patience, lambda: self._give_up(place, patience))
        try:
            given = await place
        except asyncio.CancelledError:
            self._waiting.pop(place, None)
            if place.done() and not place.cancelled() and isinstance(began := place.result(), float):
                self._pass_on(began)
            raise
        finally:
            clock.clear(alarm)
        if isinstance(given, Overloaded):
            raise given
        return given

    def leave(self, began: float) -> None:
        """Give up the place that was had since then, to whoever has waited longest."""
        took = asyncio.get_running_loop().time() - began
        self._seen = min(self._seen + 1, RECENT)
        self._mean += (took - self._mean) / self._seen
        self._pass_on(began)

    def close(self) -> int:
        """Refuse all that wait, and from now on whoever would have to; return how many they were."""
        self._closed = True
        waiting, self._waiting = self._waiting, OrderedDict()
        now = asyncio.get_running_loop().time()
        for place in waiting:
            if not place.done():
                place.set_result(self._refusal("nobody is let in any more", now))
        return len(waiting)

    def _pass_on(self, began: float) -> None:
        self._starts -= began
        while self._waiting:
            place, _ = self._waiting.popitem(last=False)
            if not place.done():
                now = place.get_loop().time()
                self._starts += now
                place.set_result(now)
                return
        self.running -= 1
        if not self.running:
            # What rounding left.
            self._starts = 0.0

    def _give_up(self, place: asyncio.Future[float | Overloaded], patience: float) -> None:
        if not place.done():
            del self._waiting[place]
            now = place.get_loop().time()
            place.set_result(self._refusal(f"no place came free within {patience:g} s", now))

    def _wait(self, now: float) -> float:
        """Return about how long the next one to come would wait, in seconds."""
        # Runs that have hung for long are no quicker than those that ended well before.
        age = now - self._starts / self.running if self.running else 0.0
        return (len(self._waiting) + 1) * max(self._mean, age) / self.concurrency

    def _refusal(self, why: str, now: float) -> Overloaded:
        return Overloaded(why, retry_after=max(SOON, self._wait(now)))
