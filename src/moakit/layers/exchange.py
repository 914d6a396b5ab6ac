"""One agent's question to its model, then to its fallbacks, until one responds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moakit.errors import BudgetExceeded, CallError, ContentFiltered, ContextTooLong
from moakit.events import CallFailed, CallRetried, CallStarted
from moakit.policies.tools import TOOLS
from moakit.prompts import last_turn, without_tools
from moakit.run.attempts import Attempts
from moakit.run.citing import cites, enter_cited
from moakit.run.continuation import Cut
from moakit.run.fitting import Fitted, confirm, fitted, refitted
from moakit.run.hedging import Hedged
from moakit.run.ledger import enter_failure, enter_reply
from moakit.run.purse import Paid

if TYPE_CHECKING:
    from moakit.layers.agent import Agent
    from moakit.models.base import Model, Reply
    from moakit.run.scope import References, Run
    from moakit.types import Prompt, Response


async def exchange(agent: Agent, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
    """Return the one response of the agent or of the first fallback that gives one.

    Raises `CallError` or `BudgetExceeded`. There is no coroutine between this one and the model's: each would
    be paid for by every call.
    """
    asked = _Exchange(agent, prompt, references, run)
    while True:
        try:
            if asked.pause:
                await asyncio.sleep(asked.pause)
            asked.open()
            if not asked.enter():
                await asked.turn()
            with asked.begin() as timers:
                reply = await asked.model.respond(asked.messages, asked.parameters, asked.listen(timers))
            return (asked.response(reply),)
        except (CallError, BudgetExceeded) as error:
            if not asked.goes_on(error):
                raise
        except asyncio.CancelledError as error:
            asked.cancelled(error)
            raise
        finally:
            asked.end()


class _Exchange(Attempts):
    """Whose turn it is, what is sent, and what follows a failure: in seconds, `pause` before it does."""

    __slots__ = ("_fit", "_opened", "_prompt", "_stand_ins", "_texts", "agent", "pause")

    def __init__(self, agent: Agent, prompt: Prompt, references: References, run: Run) -> None:
        continued = run.tail and run.settings.on_cut == "continue" and run.journey.streaming
        super().__init__(run, Cut(single=not agent.stand_ins) if continued else None)
        self._prompt = _shown(prompt, run)
        self._texts = [reference.text.strip() for reference in references] if references else ()
        self._stand_ins = agent.stand_ins
        self._opened = False
        self.agent = agent
        self.pause = 0.0

    def open(self) -> None:
        """Begin with the agent whose turn it is, unless that is done; raises `ContextTooLong`."""
        if self._opened:
            return
        run, agent = self.run, self.agent
        self._opened = True
        self.turn_to(self._equipped(agent.bound), agent.timeout)
        self.parameters = agent.sampling(run)
        fit = self._fit = fitted(
            run, agent.bound, self._prompt, self._texts, system=agent.system, parameters=self.parameters
        )
        if run.journey.watched:
            run.tell(CallStarted, model=agent.model, role=run.role, left_out=fit.left_out)
        if fit.refusal is not None:
            raise fit.refusal
        self._compose(fit)

    def response(self, reply: Reply) -> Response:
        """Enter the reply in the ledger and return it as a response; raises `CallError`."""
        reply = self.landed(reply)
        left_out = self._fit.left_out
        if left_out:
            confirm(self.agent.bound, self._fit, reply.usage)
        if self.run.settings.cite and self._texts and cites(self.run, self.parameters):
            return enter_cited(self, reply, references=len(self._texts), left_out=left_out)
        return enter_reply(self, reply, left_out=left_out)

    def cancelled(self, error: asyncio.CancelledError) -> None:
        """Enter a call that was dropped, and tell of it."""
        reason = str(error.args[0]) if error.args and error.args[0] else "the run was cancelled"
        dropped = CallError(f"dropped: {reason}", model=self.agent.model)
        self._lost(dropped, "cancelled")
        self.run.tell(CallFailed, error=dropped, final=True)

    def goes_on(self, error: CallError | BudgetExceeded) -> bool:
        """Enter a failure; say whether another request follows, by this agent or a fallback."""
        if isinstance(error, BudgetExceeded):
            self.unpaid()
        elif self._repeats(error):
            return True
        self._lost(error, "failed")
        run, cut = self.run, self.cut
        # What has been shown as the answer cannot be taken back by another model, only continued.
        shown = run.tail and run.journey.answered
        again = shown and cut is not None and cut.again(error)
        lost = shown and (cut is None or not cut.open)
        # Why the answer was withheld is the user's to know: another model is not asked behind their back.
        withheld = run.tail and isinstance(error, ContentFiltered)
        final = not again and (not self._stand_ins or lost or withheld)
        run.tell(CallFailed, error=error, final=final)
        if final:
            return False
        if not again:
            self.agent, *rest = self._stand_ins
            self._stand_ins = tuple(rest)
        self._opened = False
        self.pause = 0.0
        return True

    def _repeats(self, error: CallError) -> bool:
        """Say whether the same agent is asked again: with fewer references, or because it may pass."""
        if isinstance(error, ContextTooLong) and self._shortened(error):
            return True
        wait = self.missed(error, alone=not self._stand_ins)
        self.pause = wait or 0.0
        return wait is not None

    def _shortened(self, error: ContextTooLong) -> bool:
        """Leave more of the references out after a refusal; False when that is no use."""
        agent, run = self.agent, self.run
        if not self.mine:
            return False
        try:
            fit = refitted(
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
        self._compose(fit)
        run.tell(CallRetried, error=error, wait=0.0)
        return True

    def _compose(self, fit: Fitted) -> None:
        self._fit = fit
        self.messages = fit.messages
        if self.cut is not None and self.cut.text:
            self.messages, self.parameters = self.cut.resumed(
                self.messages, self.parameters, self.agent.bound
            )

    def _equipped(self, model: Model) -> Model:
        """Return the model as this run asks it: paid from its budgets, hedged if it says so."""
        run = self.run
        if run.purse is not None:
            model = Paid(model, run.purse)
        if run.settings.hedge and (route := run.journey.routes.to(model)) is not None:
            model = Hedged(model, route, self)
        return model

    def _lost(self, error: CallError | BudgetExceeded, status: str) -> None:
        enter_failure(self.run, self.agent.bound, error, status=status, since=self.opened, attempts=self.mine)


def _shown(prompt: Prompt, run: Run) -> Prompt:
    """Return the part of the conversation this call sees: tools are the business of who was given them."""
    if run.settings.multiturn is False:
        prompt = last_turn(prompt)
    if run.tail or not run.parameters.keys().isdisjoint(TOOLS):
        return prompt
    # All proposers of a run see the same conversation, so it is told in words once.
    told = run.journey.told
    if told is None or told[0] is not prompt:
        told = run.journey.told = (prompt, without_tools(prompt))
    return told[1]
