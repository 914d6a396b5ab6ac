"""A provider's limits, shared by all runs of an event loop: requests and tokens a minute, calls at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from moakit.errors import RateLimited
from moakit.models.loops import forget_closed
from moakit.policies.adaptive import Adaptive
from moakit.policies.clock import Alarm, clock_of
from moakit.policies.turns import Turns
from moakit.policies.windows import Entry, Window

if TYPE_CHECKING:
    from moakit.models.providers import Endpoint

_NEVER = float("inf")

_limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Any, ...], Limiter]] = WeakKeyDictionary()


class Permit:
    """Leave for one call: `release` it whatever happens, having said how it went if it went somehow."""

    __slots__ = ("_cuts", "_held", "_limiter", "_request", "_tokens")

    def __init__(
        self, limiter: Limiter, cuts: int, request: Entry | None = None, tokens: Entry | None = None
    ) -> None:
        self._limiter = limiter
        self._cuts = cuts
        self._request = request
        self._tokens = tokens
        self._held = True

    def settle(self, tokens: int) -> None:
        """Correct the estimate by what the call took in the end; without a token limit this does nothing."""
        if self._tokens is not None:
            self._tokens.settle(tokens)
            if self._limiter.waiting:
                self._limiter.serve()

    def succeeded(self) -> None:
        """Say that the provider answered: a cap that a 429 left behind is raised a little."""
        self._limiter.adaptive.succeeded(self._cuts)

    def refused(self) -> None:
        """Say that the provider answered 429: fewer calls are made at once from now on."""
        limiter = self._limiter
        limiter.adaptive.refused(self._cuts, limiter.in_flight, limiter.loop.time())

    def release(self) -> None:
        """Make room for another call; a second time it does nothing."""
        if not self._held:
            return
        self._held = False
        if self._tokens is not None and self._tokens.open:
            # What it took is not going to be known better than this.
            self._tokens.settle(self._tokens.amount)
        limiter = self._limiter
        limiter.in_flight -= 1
        if limiter.waiting:
            limiter.serve()

    def withdraw(self) -> None:
        """Release it as if it had never been given, since nothing was sent."""
        if self._request is not None:
            self._request.settle(0)
        if self._tokens is not None:
            self._tokens.settle(0)
        self.release()


class Limiter:
    """One provider's limits on one event loop; runs that wait take turns.

    `counts_tokens` says whether it needs to know how many tokens a call may take; `in_flight` and `waiting`
    count calls, `cap` is what 429s have made of the calls at once, None as long as they are not limited.
    """

    __slots__ = (
        "_alarm", "_clock", "_concurrency", "_free", "_requests", "_tokens", "_turns", "adaptive",
        "counts_tokens", "in_flight", "loop", "name",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.name = endpoint.name
        self.in_flight = 0
        self._requests = Window(endpoint.requests_per_minute) if endpoint.requests_per_minute else None
        self._tokens = Window(endpoint.tokens_per_minute) if endpoint.tokens_per_minute else None
        self._concurrency = endpoint.concurrency or _NEVER
        self.counts_tokens = self._tokens is not None
        self._free = not (endpoint.requests_per_minute or endpoint.tokens_per_minute or endpoint.concurrency)
        self.adaptive = Adaptive()
        self._turns: Turns[asyncio.Future[Permit]] = Turns()
        self.loop = loop
        self._clock = clock_of(loop)
        self._alarm: Alarm | None = None

    @property
    def waiting(self) -> int:
        """The calls that wait for their turn."""
        return len(self._turns)

    @property
    def cap(self) -> int | None:
        """The calls at once that 429s have left, None when they have not limited them."""
        return self.adaptive.cap

    def try_acquire(self, tokens: int = 0) -> Permit | None:
        """Return a permit for a call of about so many tokens, None when it would have to wait."""
        if self._free and self.adaptive.cap is None:
            self.in_flight += 1
            return Permit(self, self.adaptive.cuts)
        now = self.loop.time()
        # Whoever comes now comes after those who wait.
        if self._turns or self._free_at(tokens, now) > now:
            return None
        return self._admit(tokens, now)

    async def acquire(self, tokens: int = 0, *, run_id: str, remaining: float, model: str = "") -> Permit:
        """Return a permit once it is this call's turn.

        `remaining` is in seconds; raises `RateLimited`, which names the `model`, when the wait is known to
        take longer.
        """
        permit = self.try_acquire(tokens)
        if permit is not None:
            return permit
        self._check_time(tokens, run_id, remaining, model)
        waiter: asyncio.Future[Permit] = self.loop.create_future()
        self._turns.add(run_id, waiter, tokens)
        self.serve()
        try:
            return await waiter
        except BaseException:
            if waiter.cancelled() or not waiter.done():
                self._turns.remove(run_id, waiter)
                self.serve()
            else:
                # It was this call's turn at last, just as the call was cancelled.
                waiter.result().withdraw()
            raise

    def _check_time(self, tokens: int, run_id: str, remaining: float, model: str) -> None:
        now = self.loop.time()
        waits: list[tuple[float, str, float]] = []
        if self._requests is not None:
            when = self._requests.certain(1, now, self._turns.before(run_id))
            waits.append((when - now, "requests", self._requests.limit))
        if self._tokens is not None:
            waits.append((self._tokens.certain(tokens, now) - now, "tokens", self._tokens.limit))
        wait, unit, limit = max(waits, default=(0.0, "", 0.0))
        if wait > max(remaining, 0.0):
            raise RateLimited(
                f"`{unit}_per_minute = {limit:g}` of {self.name!r} leaves no room for {wait:.1f} s,"
                f" and the call has {max(remaining, 0.0):.1f} s left",
                model=model,
                retry_after=wait,
                should_retry=False,
                hint="raise `deadline`, or the limit if the provider allows more",
            )

    def _free_at(self, tokens: int, now: float) -> float:
        """Return when the next call can be made: `now`, a later time, or never while none has ended."""
        if self.in_flight >= self._concurrency:
            return _NEVER
        if self.adaptive.full(self.in_flight, now):
            return self.adaptive.lifted_at
        when = now
        if self._requests is not None:
            when = self._requests.free_at(1, now)
        if self._tokens is not None:
            when = max(when, self._tokens.free_at(tokens, now))
        return when

    def _admit(self, tokens: int, now: float) -> Permit:
        self.in_flight += 1
        return Permit(
            self,
            self.adaptive.cuts,
            None if self._requests is None else self._requests.take(1, now),
            None if self._tokens is None else self._tokens.take(tokens, now, estimate=True),
        )

    def serve(self) -> None:
        """Give a permit to everyone whose turn it is, and come back when the next may be given one."""
        when = _NEVER
        while (turn := self._turns.first()) is not None:
            if turn.who.done():
                # Cancelled, but not yet told so.
                self._turns.remove(turn.run_id, turn.who)
                continue
            now = self.loop.time()
            when = self._free_at(turn.tokens, now)
            if when > now:
                break
            self._turns.serve(turn)
            turn.who.set_result(self._admit(turn.tokens, now))
            when = _NEVER
        self._wake(when)

    def _wake(self, when: float) -> None:
        if self._alarm is not None:
            if self._alarm[0] == when and self._alarm[2] is not None:
                return
            self._clock.clear(self._alarm)
            self._alarm = None
        if when != _NEVER:
            self._alarm = self._clock.set(when, self.serve)


def limiter_for(endpoint: Endpoint | None, loop: asyncio.AbstractEventLoop) -> Limiter | None:
    """Return an event loop's limiter of an endpoint, None for a model that has no endpoint."""
    if endpoint is None:
        return None
    # The same provider with other limits is limited anew, as when a notebook's cell is run again.
    identity = (
        endpoint.name, endpoint.base_url, endpoint.api_key,
        endpoint.requests_per_minute, endpoint.tokens_per_minute, endpoint.concurrency,
    )  # fmt: skip
    limiters = _limiters.get(loop)
    if limiters is None:
        forget_closed(_limiters)
        limiters = _limiters[loop] = {}
    limiter = limiters.get(identity)
    if limiter is None:
        limiter = limiters[identity] = Limiter(endpoint, loop)
    return limiter


def limiters_of(loop: asyncio.AbstractEventLoop) -> tuple[Limiter, ...]:
    """Return the limiters an event loop has used so far."""
    return tuple(_limiters.get(loop, {}).values())
