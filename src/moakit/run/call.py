"""One call to one model: attempts under their timers, until there is a reply or a final error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from moakit.errors import BadResponse, BudgetExceeded, CallError, ContentFiltered, RateLimited
from moakit.events import CallRetried
from moakit.models import tokens
from moakit.models.base import Model, Reply
from moakit.policies.breaker import OPEN
from moakit.policies.limits import Permit
from moakit.policies.retry import wait_before
from moakit.policies.settings import DEFAULTS, FIRST_TOKEN, IDLE
from moakit.policies.timers import Timers
from moakit.run.continuation import Cut
from moakit.run.ear import Ear
from moakit.run.ledger import Attempts
from moakit.run.purse import Paid
from moakit.run.race import Lane, LaneEar
from moakit.run.scope import Run
from moakit.types import Message


async def ask(
    run: Run,
    model: Model,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    attempts: Attempts,
    *,
    timeout: float | None = None,
    alone: bool = True,
    cut: Cut | None = None,
    lane: Lane | None = None,
) -> Reply:
    """Return the model's reply, asking again as the retry policy says; raises `CallError`, `BudgetExceeded`.

    `timeout` in seconds is the agent's own, before the provider's and the settings'. `alone` says that no
    fallback could answer in its place. `cut` keeps what is shown, for another to continue; `lane` is this
    call's in a race of two.
    """
    model = model if run.purse is None else Paid(model, run.purse)
    asking = _Asking(run, model, attempts, timeout=timeout, alone=alone, cut=cut, lane=lane)
    while True:
        try:
            if not asking.enter(messages, parameters):
                await asking.turn()
            with asking.begin() as timers:
                reply = await model.respond(messages, parameters, asking.listen(timers))
            return asking.succeeded(reply)
        except CallError as error:
            wait = asking.failed(error)
            if wait is None:
                raise
        except BudgetExceeded:
            asking.unpaid()
            raise
        finally:
            asking.end()
        await asyncio.sleep(wait)


class _Asking:
    """What one call's policies decide before, after and between its attempts."""

    __slots__ = (
        "_alone", "_attempts", "_cut", "_ear", "_expected", "_lane", "_mine", "_model", "_permit", "_route",
        "_run", "_started", "_streamed", "_told", "_total",
    )  # fmt: skip

    def __init__(
        self,
        run: Run,
        model: Model,
        attempts: Attempts,
        *,
        timeout: float | None,
        alone: bool,
        cut: Cut | None,
        lane: Lane | None,
    ) -> None:
        journey, settings, endpoint = run.journey, run.settings, model.endpoint
        self._run = run
        self._model = model
        self._attempts = attempts
        self._alone = alone
        self._cut = cut
        self._lane = lane
        self._mine = 0
        self._started = journey.loop.time()
        self._total = (
            timeout or (endpoint and endpoint.timeout) or settings.timeout or DEFAULTS.timeout or 120.0
        )
        self._told = journey.proposers or (journey.streaming and run.tail)
        self._streamed = self._told or settings.first_token is not None or settings.idle is not None
        self._ear: Ear | LaneEar | None = None
        self._route = route = journey.routes.to(model)
        self._expected = 0
        self._permit: Permit | None = None
        if route is not None:
            route.retries.earn()

    def enter(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> bool:
        """Take a place within the provider's limits; False: wait for it. Raises a breaker's refusal."""
        self._mine += 1
        self._ear = None
        self._started = self._run.journey.loop.time()
        route = self._route
        if route is None:
            return True
        if route.breaker.open and (refusal := route.breaker.refusal(self._started)):
            raise refusal
        if route.limiter.counts_tokens:
            self._expected = _expected(messages, parameters)
        self._permit = route.limiter.try_acquire(self._expected)
        return self._permit is not None

    async def turn(self) -> None:
        """Wait for this attempt's turn; raises `RateLimited` when it cannot come in time."""
        run = self._run
        if self._route is not None:
            self._permit = await self._route.limiter.acquire(
                self._expected, run_id=run.journey.run_id, remaining=run.remaining, model=self._model.name
            )

    def begin(self) -> Timers:
        """Count the attempt, which begins now, and return its timers."""
        journey, settings = self._run.journey, self._run.settings
        self._started = journey.loop.time()
        self._attempts.count += 1
        if not self._streamed:
            return Timers(self._model.name, total=self._total, clock=journey.clock)
        return Timers(
            self._model.name,
            total=self._total,
            first_token=settings.first_token or FIRST_TOKEN,
            idle=settings.idle or IDLE,
            clock=journey.clock,
        )

    def listen(self, timers: Timers) -> Ear | LaneEar | None:
        """Return what hears this attempt's stream, None when it is not streamed."""
        if not self._streamed:
            return None
        cut, lane = self._cut, self._lane
        ear = (
            Ear(self._run, timers, told=self._told)
            if cut is None
            else cut.ear(self._run, timers, told=self._told)
        )
        self._ear = ear if lane is None else lane.hearing(ear)
        return self._ear

    def succeeded(self, reply: Reply) -> Reply:
        """Return the reply as it is used; raises `CallError` when it cannot be."""
        route, permit = self._route, self._permit
        if permit is not None:
            permit.settle(reply.usage.total_tokens or self._expected)
            permit.succeeded()
        if self._cut is not None and self._ear is not None:
            reply = self._cut.finish(reply, self._ear)
        _check(reply, self._model.name, tail=self._run.tail)
        if route is not None:
            route.breaker.succeeded()
        return reply

    def failed(self, error: CallError) -> float | None:
        """Return the seconds until the next attempt, None when there is to be none."""
        run, ear, route, permit = self._run, self._ear, self._route, self._permit
        if permit is not None and error.status is not None:
            # A refused call took no tokens.
            permit.settle(0)
        if permit is not None and isinstance(error, RateLimited) and not (route and route.breaker.open):
            permit.refused()
        shown = run.tail and ear is not None and ear.first is not None and run.journey.answered
        wait = None if shown else self._wait(error)
        if wait is not None:
            run.tell(CallRetried, error=error, wait=wait)
        elif route is not None and error.code != OPEN:
            route.breaker.failed(error, run.journey.loop.time())
        return wait

    def unpaid(self) -> None:
        """Take back an attempt for which there was no money."""
        self._attempts.count -= 1
        if self._permit is not None:
            self._permit.withdraw()

    def _wait(self, error: CallError) -> float | None:
        run, route = self._run, self._route
        settings = run.settings
        retries = (DEFAULTS.retries if settings.retries is None else settings.retries) or 0
        # Others make up for a proposer, and a fallback for its model; the answer alone waits for a probe.
        patient = run.tail and self._alone
        if error.code == OPEN:
            pause = error.retry_after or 0.0
            return pause if patient and self._mine <= retries and pause < run.remaining else None
        wait = wait_before(error, self._mine, retries=retries, remaining=run.remaining)
        if wait and route is not None and ((route.breaker.open and not patient) or not route.retries.spend()):
            return None
        return wait

    def end(self) -> None:
        """Note how long the attempt took, and give back what it held."""
        attempts, ear = self._attempts, self._ear
        attempts.seconds = self._run.journey.loop.time() - self._started
        first = None if ear is None else ear.first
        attempts.first_token = None if first is None else first - self._started
        if self._permit is not None:
            self._permit.release()
            self._permit = None


def _expected(messages: Sequence[Message], parameters: Mapping[str, Any]) -> int:
    """Return about how many tokens a call will take."""
    length = parameters.get("max_tokens") or parameters.get("max_completion_tokens") or tokens.ANSWER
    return tokens.estimate_prompt(messages) + int(length)


def _check(reply: Reply, model: str, *, tail: bool) -> None:
    """Raise when the reply cannot be a response: an empty text is never shown to the next layer."""
    if reply.finish_reason == "content_filter" and not tail:
        raise ContentFiltered("the provider's content filter cut the answer", model=model)
    if not reply.tool_calls and not reply.text.strip():
        what = "only reasoning" if reply.reasoning else "an empty answer"
        hint = "raise max_tokens" if reply.finish_reason == "length" else None
        raise BadResponse(f"the model gave {what}", model=model, should_retry=False, code="empty", hint=hint)
