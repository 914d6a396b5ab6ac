"""One call to one model: attempts under their timers, until there is a reply or a final error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from moakit.errors import BadResponse, CallError, ContentFiltered
from moakit.events import CallRetried
from moakit.models import tokens
from moakit.models.base import Model, Reply
from moakit.policies.limits import limiter_for
from moakit.policies.retry import wait_before
from moakit.policies.settings import DEFAULTS, FIRST_TOKEN, IDLE
from moakit.policies.timers import Timers
from moakit.run.scope import Run
from moakit.types import Message


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
    """Hears one attempt's stream: feeds the timers, tells the readers."""

    __slots__ = ("_gate", "_idle", "_run", "_timers", "_told", "first")

    def __init__(self, run: Run, timers: Timers, *, idle: float, told: bool) -> None:
        self._idle = idle
        self._run = run
        self._timers = timers
        self._told = told and run.journey.watched
        self._gate = run.journey.gate if self._told else None
        self.first: float | None = None

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        self._timers.beat()
        if self.first is None:
            self.first = self._run.journey.loop.time()
        if self._told:
            self._run.heard(text, kind, index, data)

    @property
    def full(self) -> bool:
        return self._gate is not None and self._gate.full

    async def drain(self) -> None:
        # A slow reader is not a silent model: the idle timer does not run on while it is waited for.
        while self._gate is not None and self._gate.full:
            try:
                async with asyncio.timeout(self._idle / 2):
                    await self._gate.drain()
            except TimeoutError:
                pass
            self._timers.beat()


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
    settings = run.settings
    retries = DEFAULTS.retries if settings.retries is None else settings.retries
    mine = 0
    while True:
        mine += 1
        attempts.count += 1
        started = run.journey.loop.time()
        try:
            return await _attempt(run, model, messages, parameters, attempts, timeout)
        except CallError as error:
            attempts.seconds = run.journey.loop.time() - started
            if run.tail and attempts.first_token is not None and run.journey.answered:
                raise
            wait = wait_before(error, mine, retries=retries or 0, remaining=run.remaining)
            if wait is None:
                raise
            run.tell(CallRetried, error=error, wait=wait)
            await asyncio.sleep(wait)


async def _attempt(
    run: Run,
    model: Model,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    attempts: Attempts,
    timeout: float | None,
) -> Reply:
    limiter = limiter_for(model.endpoint)
    if limiter is None:
        return await _timed(run, model, messages, parameters, attempts, timeout)
    expected = tokens.estimate_prompt(messages) + (parameters.get("max_tokens") or tokens.ANSWER)
    async with limiter.permit(expected) as permit:
        reply = await _timed(run, model, messages, parameters, attempts, timeout)
        permit.settle(reply.usage.total_tokens or expected)
        return reply


async def _timed(
    run: Run,
    model: Model,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    attempts: Attempts,
    timeout: float | None,
) -> Reply:
    settings, journey, endpoint = run.settings, run.journey, model.endpoint
    told = journey.proposers or (journey.streaming and run.tail)
    streamed = told or settings.first_token is not None or settings.idle is not None
    total = timeout or (endpoint and endpoint.timeout) or settings.timeout or DEFAULTS.timeout or 120.0
    attempts.first_token = None
    started = journey.loop.time()
    if not streamed:
        async with Timers(model.name, total=total):
            reply = await model.respond(messages, parameters, None)
    else:
        idle = settings.idle or IDLE
        timers = Timers(model.name, total=total, first_token=settings.first_token or FIRST_TOKEN, idle=idle)
        ear = _Ear(run, timers, idle=idle, told=told)
        try:
            async with timers:
                reply = await model.respond(messages, parameters, ear)
        finally:
            if ear.first is not None:
                attempts.first_token = ear.first - started
    attempts.seconds = journey.loop.time() - started
    _check(reply, model.name, tail=run.tail)
    return reply


def _check(reply: Reply, model: str, *, tail: bool) -> None:
    """Raise when the reply cannot be a response: an empty text is never shown to the next layer."""
    if reply.finish_reason == "content_filter" and not tail:
        raise ContentFiltered("the provider's content filter cut the answer", model=model)
    if not reply.tool_calls and not reply.text.strip():
        what = "only reasoning" if reply.reasoning else "an empty answer"
        hint = "raise max_tokens" if reply.finish_reason == "length" else None
        raise BadResponse(f"the model gave {what}", model=model, should_retry=False, code="empty", hint=hint)
