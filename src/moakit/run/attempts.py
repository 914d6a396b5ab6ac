"""The attempts of one call: each is let in, timed and heard, and what follows its failure is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moakit.errors import BadResponse, CallError, ContentFiltered, RateLimited
from moakit.events import CallRetried
from moakit.models.estimates import estimate_call
from moakit.policies.breaker import OPEN
from moakit.policies.retry import wait_before
from moakit.policies.settings import DEFAULTS, FIRST_TOKEN, IDLE
from moakit.policies.timers import Timers
from moakit.policies.tools import TOOLS
from moakit.run.ear import Ear

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from moakit.models.base import Model, Reply
    from moakit.policies.limits import Permit
    from moakit.policies.routes import Route
    from moakit.run.continuation import Cut
    from moakit.run.scope import Run
    from moakit.types import Prompt


class Attempts:
    """What the policies say before, after and between the attempts of one call.

    `count` are all attempts, over all fallbacks, `mine` those of the present `model`'s; `seconds` and
    `first_token` belong to the last one, in seconds from its start; `opened` is the loop's time when the
    model's turn began, `expected` about how many tokens an attempt takes where the provider limits them.
    """

    __slots__ = (
        "_ear", "_permit", "_route", "_started", "_streamed", "_told", "_total", "_tries",
        "count", "cut", "expected", "first_token", "messages", "mine", "model", "opened", "parameters", "run",
        "seconds",
    )  # fmt: skip

    def __init__(self, run: Run, cut: Cut | None) -> None:
        journey, settings = run.journey, run.settings
        self.run = run
        self.cut = cut
        self.count = self.mine = self._tries = self.expected = 0
        self.seconds = self.opened = self._started = 0.0
        self.first_token: float | None = None
        self._told = journey.proposers or (journey.streaming and run.tail)
        self._streamed = self._told or settings.first_token is not None or settings.idle is not None
        self._ear: Ear | None = None
        self._permit: Permit | None = None
        self.messages: Prompt = ()
        self.parameters: Mapping[str, Any] = {}

    def turn_to(self, model: Model, timeout: float | None) -> None:
        """Begin with a model; `timeout` in seconds is its agent's, before all others."""
        run, endpoint = self.run, model.endpoint
        self.model = model
        self.mine = self._tries = 0
        self.opened = run.journey.loop.time()
        self._total = (
            timeout or (endpoint and endpoint.timeout) or run.settings.timeout or DEFAULTS.timeout or 120.0
        )
        self._route: Route | None = run.journey.routes.to(model)
        if self._route is not None:
            self._route.retries.earn()

    def enter(self) -> bool:
        """Take a place within the provider's limits; False: wait for it. Raises a breaker's refusal."""
        self._ear = None
        self._tries += 1
        route = self._route
        if route is None:
            return True
        if route.breaker.open and (refusal := route.breaker.refusal(self.run.journey.loop.time())):
            raise refusal
        limiter = route.limiter
        if limiter.counts_tokens:
            self.expected = estimate_call(self.model, self.messages, self.parameters).tokens
        self._permit = limiter.try_acquire(self.expected)
        return self._permit is not None

    async def turn(self) -> None:
        """Wait for a place; raises `RateLimited` when there is none in time."""
        run = self.run
        if self._route is not None:
            self._permit = await self._route.limiter.acquire(
                self.expected, run_id=run.journey.run_id, remaining=run.remaining, model=self.model.name
            )

    def begin(self) -> Timers:
        """Count the attempt, which begins now, and return its timers."""
        journey, settings = self.run.journey, self.run.settings
        self.count += 1
        self.mine += 1
        if self._streamed:
            timers = Timers(
                self.model.name,
                total=self._total,
                first_token=settings.first_token or FIRST_TOKEN,
                idle=settings.idle or IDLE,
                clock=journey.clock,
            )
        else:
            timers = Timers(self.model.name, total=self._total, clock=journey.clock)
        self._started = timers.started
        return timers

    def listen(self, timers: Timers) -> Ear | None:
        """Return what hears this attempt's stream, None when it is not streamed."""
        if self._streamed:
            hearing = Ear if self.cut is None else self.cut.ear
            self._ear = hearing(self.run, timers, told=self._told)
        return self._ear

    def landed(self, reply: Reply) -> Reply:
        """Return the reply as it is used; raises `CallError` when it cannot be."""
        route, permit = self._route, self._permit
        self._stop()
        if permit is not None:
            permit.settle(reply.usage.total_tokens or self.expected)
            permit.succeeded()
        if self.cut is not None and self._ear is not None:
            reply = self.cut.finish(reply, self._ear)
        _check(reply, self.model.name, self.parameters, tail=self.run.tail)
        if route is not None:
            route.breaker.succeeded()
        return reply

    def missed(self, error: CallError, *, alone: bool) -> float | None:
        """Return the seconds until the model's next attempt, None when there is to be none.

        `alone` says that no fallback could answer in its place.
        """
        run, ear, route, permit = self.run, self._ear, self._route, self._permit
        self._stop()
        if permit is not None and error.status is not None:
            # A refused call took no tokens.
            permit.settle(0)
        if permit is not None and isinstance(error, RateLimited) and not (route and route.breaker.open):
            permit.refused()
        shown = run.tail and ear is not None and ear.first is not None and run.journey.answered
        wait = None if shown else self._wait(error, alone=alone)
        if wait is not None:
            run.tell(CallRetried, error=error, wait=wait)
        elif route is not None and error.code != OPEN:
            route.breaker.failed(error, run.journey.loop.time())
        return wait

    def unpaid(self) -> None:
        """Take back an attempt for which there was no money."""
        self.count -= 1
        self.mine -= 1
        if self._permit is not None:
            self._permit.withdraw()

    def end(self) -> None:
        """Give back what the attempt held."""
        if self._permit is not None:
            self._permit.release()
            self._permit = None

    def _wait(self, error: CallError, *, alone: bool) -> float | None:
        run, route = self.run, self._route
        settings = run.settings
        retries = (DEFAULTS.retries if settings.retries is None else settings.retries) or 0
        # Others make up for a proposer, and a fallback for its model; the answer alone waits for a probe.
        patient = run.tail and alone
        if error.code == OPEN:
            pause = error.retry_after or 0.0
            return pause if patient and self._tries <= retries and pause < run.remaining else None
        wait = wait_before(error, self._tries, retries=retries, remaining=run.remaining)
        if wait and route is not None and ((route.breaker.open and not patient) or not route.retries.spend()):
            return None
        return wait

    def _stop(self) -> None:
        first = None if self._ear is None else self._ear.first
        self.seconds = self.run.journey.loop.time() - self._started
        self.first_token = None if first is None else first - self._started


def _check(reply: Reply, model: str, parameters: Mapping[str, Any], *, tail: bool) -> None:
    """Raise when the reply cannot be a response: an empty text is never shown to the next layer."""
    if reply.tool_calls and not tail and parameters.keys().isdisjoint(TOOLS):
        # Nobody offered it a tool: what it calls is nobody's to run, or to pass on.
        reply.tool_calls = ()
        reply.finish_reason = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
    if reply.finish_reason == "content_filter" and not tail:
        raise ContentFiltered("the provider's content filter cut the answer", model=model)
    if not reply.tool_calls and not reply.text.strip():
        what = "only reasoning" if reply.reasoning else "an empty answer"
        hint = "raise max_tokens" if reply.finish_reason == "length" else None
        raise BadResponse(f"the model gave {what}", model=model, should_retry=False, code="empty", hint=hint)
