"""A model that is asked a second time while its first attempt is slow: the faster one answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moakit.errors import BudgetExceeded, CallError
from moakit.run.ledger import enter_failure
from moakit.run.race import LOST, Lane, Race

if TYPE_CHECKING:
    from moakit.models.base import Listener, Model, Reply
    from moakit.policies.limits import Permit
    from moakit.policies.routes import Route
    from moakit.run.attempts import Attempts
    from moakit.types import Message


class Hedged:
    """A model each of whose attempts may get a second one beside it, as `policies.hedge` allows.

    The attempt that speaks first (or, where nothing is streamed, answers) is heard; the other is cancelled,
    and entered in the ledger as such. A hedge never waits for a place within the provider's limits.
    """

    __slots__ = ("_attempts", "_model", "_route", "endpoint", "name")

    def __init__(self, model: Model, route: Route, attempts: Attempts) -> None:
        self._model = model
        self._route = route
        self._attempts = attempts
        self.name = model.name
        self.endpoint = model.endpoint

    async def respond(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], listener: Listener | None = None
    ) -> Reply:
        """Make one attempt, or two; raises the first one's `CallError` when both fail."""
        route = self._route
        patience = route.hedge.call()
        race = Race()

        def enter(permit: Permit | None = None) -> asyncio.Task[Reply]:
            lane = Lane(race, listener)
            asked = self._asked(lane, messages, parameters, permit)
            task = lane.task = asyncio.get_running_loop().create_task(asked)
            return task

        tasks = [enter()]
        try:
            if patience is not None:
                await asyncio.wait(tasks, timeout=patience)
                if race.winner is None and not tasks[0].done() and (permit := self._allowed()) is not None:
                    tasks.append(enter(permit))
                    self._attempts.count += 1
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if race.winner is not None or len(tasks) > 1:
                self._enter_others(race)
        winner = race.winner or race.lanes[0]
        if winner.task is None:
            raise RuntimeError("a lane without a task")
        reply = winner.task.result()
        route.hedge.note(winner.first)
        return reply

    async def _asked(
        self, lane: Lane, messages: Sequence[Message], parameters: Mapping[str, Any], permit: Permit | None
    ) -> Reply:
        try:
            reply = await self._model.respond(messages, parameters, lane.ear)
            lane.leads()
            if permit is not None:
                permit.settle(reply.usage.total_tokens)
            return reply
        finally:
            if permit is not None:
                permit.release()

    def _allowed(self) -> Permit | None:
        """Take a hedge and a place at the provider, None when there is none of either."""
        route = self._route
        permit = None if route.breaker.open else route.limiter.try_acquire(self._attempts.expected)
        if permit is not None and not route.hedge.spend():
            permit.withdraw()
            return None
        return permit

    def _enter_others(self, race: Race) -> None:
        """Enter the attempt that lost; the one that is heard, or else the first, is entered by its run."""
        heard = race.winner or race.lanes[0]
        for lane in race.lanes:
            if lane is heard or lane.task is None:
                continue
            error = None if lane.task.cancelled() else lane.task.exception()
            if isinstance(error, CallError | BudgetExceeded):
                self._enter(lane, error, "failed")
            else:
                self._enter(lane, CallError(f"dropped: {LOST}", model=self.name), "cancelled")

    def _enter(self, lane: Lane, error: CallError | BudgetExceeded, status: str) -> None:
        enter_failure(self._attempts.run, self._model, error, status=status, since=lane.started, attempts=1)
