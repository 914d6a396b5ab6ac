"""One agent's question to its model, then to its fallbacks, until one responds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moakit.errors import BudgetExceeded, CallError, ContextTooLong
from moakit.events import CallFailed, CallRetried, CallStarted
from moakit.layers.fitting import confirm, fitted, refitted
from moakit.prompts import last_turn, without_tools
from moakit.run.call import ask
from moakit.run.continuation import Cut
from moakit.run.hedging import hedged
from moakit.run.ledger import Attempts, Entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from moakit.layers.agent import Agent
    from moakit.models.base import Reply
    from moakit.run.scope import References, Run
    from moakit.types import Prompt, Response


async def exchange(agent: Agent, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
    """Return the one response of the agent or of the first fallback that gives one.

    Raises `CallError` or `BudgetExceeded`.
    """
    asking = _Exchange(agent, prompt, references, run)
    make = hedged if run.settings.hedge else ask
    while True:
        try:
            asking.open()
            reply = await make(
                run,
                asking.agent.bound,
                asking.messages,
                asking.parameters,
                asking.attempts,
                timeout=asking.agent.timeout,
                alone=asking.alone,
                cut=asking.cut,
            )
            return (asking.succeeded(reply),)
        except (CallError, BudgetExceeded) as error:
            if not asking.goes_on(error):
                raise
        except asyncio.CancelledError as error:
            asking.cancelled(error)
            raise


class _Exchange:
    """Whose turn it is, what is sent, and what follows a failure."""

    __slots__ = (
        "_entry", "_fit", "_prompt", "_run", "_single", "_stand_ins", "_texts", "agent", "attempts", "cut",
        "messages", "parameters",
    )  # fmt: skip

    def __init__(self, agent: Agent, prompt: Prompt, references: References, run: Run) -> None:
        self._run = run
        self._prompt = _shown(prompt, run)
        self._texts = [reference.text.strip() for reference in references]
        self._stand_ins = list(agent.stand_ins)
        self._single = not agent.stand_ins
        self._entry: Entry | None = None
        self.agent = agent
        self.attempts = Attempts()
        continued = run.tail and run.settings.on_cut == "continue" and run.journey.streaming
        self.cut = Cut() if continued else None
        self.messages: Prompt = ()
        self.parameters: Mapping[str, Any] = {}

    @property
    def alone(self) -> bool:
        """Whether nobody could answer in this agent's place."""
        return not self._stand_ins

    def open(self) -> None:
        """Compose what the agent is sent, unless that is done; raises `ContextTooLong` when it cannot fit."""
        if self._entry is not None:
            return
        run, agent = self._run, self.agent
        self._entry = Entry(run, agent.bound, self.attempts)
        self.parameters = agent.sampling(run)
        fit = self._fit = fitted(
            run, agent.bound, self._prompt, self._texts, system=agent.system, parameters=self.parameters
        )
        run.tell(CallStarted, model=agent.model, role=run.role, left_out=fit.left_out)
        if fit.refusal is not None:
            raise fit.refusal
        self._resume()

    def succeeded(self, reply: Reply) -> Response:
        """Enter the reply in the ledger and return it as a response."""
        if self._fit.left_out:
            confirm(self.agent.bound, self._fit, reply.usage)
        return self._line.succeeded(reply, left_out=self._fit.left_out)

    def cancelled(self, error: asyncio.CancelledError) -> None:
        """Enter a call that was dropped."""
        self._line.cancelled(error)

    def goes_on(self, error: CallError | BudgetExceeded) -> bool:
        """Enter a failure; say whether another request follows, by this agent or a fallback."""
        if isinstance(error, ContextTooLong) and self._shortened(error):
            return True
        run, cut = self._run, self.cut
        self._line.failed(error)
        self._entry = None
        # What has been shown as the answer cannot be taken back by another model, only continued.
        shown = run.tail and run.journey.answered
        again = (
            shown and cut is not None and isinstance(error, CallError) and cut.again(error, last=self._single)
        )
        lost = shown and (cut is None or not cut.open)
        final = not again and (lost or self.alone)
        run.tell(CallFailed, error=error, final=final)
        if not (final or again):
            self.agent = self._stand_ins.pop(0)
        return not final

    @property
    def _line(self) -> Entry:
        if self._entry is None:
            raise RuntimeError("the exchange was not opened")
        return self._entry

    def _resume(self) -> None:
        self.messages = self._fit.messages
        if self.cut is not None and self.cut.text:
            self.messages, self.parameters = self.cut.resumed(
                self.messages, self.parameters, self.agent.bound
            )

    def _shortened(self, error: ContextTooLong) -> bool:
        """Leave more of the references out after a refusal; False when that is no use."""
        agent, run = self.agent, self._run
        try:
            self._fit = refitted(
                run,
                agent.bound,
                self._prompt,
                self._texts,
                system=agent.system,
                parameters=self.parameters,
                sent=self._fit,
                error=error,
            )
        except ContextTooLong:
            return False
        self._resume()
        run.tell(CallRetried, error=error, wait=0.0)
        return True


def _shown(prompt: Prompt, run: Run) -> Prompt:
    """Return the part of the conversation this call sees: tools and their results are the tail's business."""
    if run.settings.multiturn is False:
        prompt = last_turn(prompt)
    if run.tail:
        return prompt
    # All proposers of a run see the same conversation, so it is told in words once.
    told = run.journey.told
    if told is None or told[0] is not prompt:
        told = run.journey.told = (prompt, without_tools(prompt))
    return told[1]
