"""One call to one model: attempts under their timers, until there is a reply or a final error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from moakit.errors import BadResponse, CallError, ContentFiltered
from moakit.events import CallRetried, Delta
from moakit.models import tokens
from moakit.models.base import Model, Reply
from moakit.policies.limits import limiter_for
from moakit.policies.retry import wait_before
from moakit.policies.settings import DEFAULTS, FIRST_TOKEN, IDLE
from moakit.policies.timers import Timers
from moakit.run.scope import Run
from moakit.types import Message

_TOOLS = frozenset(["tools", "functions"])


class Attempts:
    """The attempts of one call so far, and what the successful one gave.

    `seconds` and `first_token` belong to the last attempt, in seconds from its start.
    """

    __slots__ = ("count", "first_token", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.first_token: float | None = None


class _Ear:
    """Hears one attempt's stream: feeds the timers, tells the readers.

    It is called for every piece, so it looks nothing up that stays the same.
    """

    __slots__ = ("_gate", "_journey", "_path", "_tail", "_time", "_timers", "_told", "first")

    def __init__(self, run: Run, timers: Timers, *, told: bool) -> None:
        journey = run.journey
        self._journey = journey
        self._path = run.path
        self._tail = run.tail
        self._time = journey.loop.time
        self._timers = timers
        self._told = told and journey.watched
        self._gate = journey.gate if self._told else None
        self.first: float | None = None

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        now = self._time()
        self._timers.beat(now)
        if self.first is None:
            self.first = now
        if self._told:
            journey = self._journey
            if self._tail:
                journey.answered = True
            journey.emit(
                Delta(
                    run_id=journey.run_id,
                    path=self._path,
                    at=now - journey.started,
                    text=text,
                    kind=kind,
                    answer=self._tail,
                    index=index,
                    data=data,
                )
            )

    @property
    def full(self) -> bool:
        return self._gate is not None and self._gate.full

    async def drain(self) -> None:
        if self._gate is not None:
            # A slow reader is not a silent model.
            self._timers.rest()
            await self._gate.drain()
            self._timers.beat(self._time())


async def ask(
    run: Run,
    model: Model,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    attempts: Attempts,
    *,
    timeout: float | None = None,
) -> Reply:
    """Return the model's reply, asking again as the retry policy says; raises `CallError`.

    `timeout` in seconds is the agent's own, before the provider's and the settings'.
    """
    journey, settings, endpoint = run.journey, run.settings, model.endpoint
    now = journey.loop.time
    retries = (DEFAULTS.retries if settings.retries is None else settings.retries) or 0
    total = timeout or (endpoint and endpoint.timeout) or settings.timeout or DEFAULTS.timeout or 120.0
    told = journey.proposers or (journey.streaming and run.tail)
    streamed = told or settings.first_token is not None or settings.idle is not None
    limiter = limiter_for(endpoint)
    mine = 0
    while True:
        mine += 1
        attempts.count += 1
        attempts.first_token = None
        started = now()
        permit = ear = None
        try:
            if limiter is not None:
                permit = await limiter.acquire(_expected(messages, parameters))
                started = now()
            if streamed:
                timers = Timers(
                    model.name,
                    total=total,
                    first_token=settings.first_token or FIRST_TOKEN,
                    idle=settings.idle or IDLE,
                    clock=journey.clock,
                )
                ear = _Ear(run, timers, told=told)
            else:
                timers = Timers(model.name, total=total, clock=journey.clock)
            with timers:
                reply = await model.respond(messages, parameters, ear)
            if permit is not None and reply.usage.total_tokens:
                permit.settle(reply.usage.total_tokens)
            _check(reply, model.name, parameters, tail=run.tail)
            return reply
        except CallError as error:
            if permit is not None and error.status is not None:
                # A refused call took no tokens.
                permit.settle(0)
            if run.tail and ear is not None and ear.first is not None and journey.answered:
                raise
            wait = wait_before(error, mine, retries=retries, remaining=run.remaining)
            if wait is None:
                raise
            run.tell(CallRetried, error=error, wait=wait)
        finally:
            attempts.seconds = now() - started
            if ear is not None and ear.first is not None:
                attempts.first_token = ear.first - started
            if permit is not None:
                permit.release()
        await asyncio.sleep(wait)


def _expected(messages: Sequence[Message], parameters: Mapping[str, Any]) -> int:
    """Return about how many tokens a call will take."""
    length = parameters.get("max_tokens") or parameters.get("max_completion_tokens") or tokens.ANSWER
    return tokens.estimate_prompt(messages) + int(length)


def _check(reply: Reply, model: str, parameters: Mapping[str, Any], *, tail: bool) -> None:
    """Raise when the reply cannot be a response: an empty text is never shown to the next layer."""
    if reply.tool_calls and not tail and parameters.keys().isdisjoint(_TOOLS):
        # Nobody offered it a tool: what it calls is nobody's to run, or to pass on.
        reply.tool_calls = ()
        reply.finish_reason = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
    if reply.finish_reason == "content_filter" and not tail:
        raise ContentFiltered("the provider's content filter cut the answer", model=model)
    if not reply.tool_calls and not reply.text.strip():
        what = "only reasoning" if reply.reasoning else "an empty answer"
        hint = "raise max_tokens" if reply.finish_reason == "length" else None
        raise BadResponse(f"the model gave {what}", model=model, should_retry=False, code="empty", hint=hint)
