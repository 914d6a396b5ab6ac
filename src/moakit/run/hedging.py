"""A call with a second attempt beside it when the first is slow: the faster one answers, the other ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from moakit.errors import BudgetExceeded, CallError
from moakit.models.base import Model, Reply
from moakit.run.call import ask
from moakit.run.continuation import Cut
from moakit.run.ledger import Attempts, Entry
from moakit.run.race import Lane, Race
from moakit.run.scope import Run
from moakit.types import Message


async def hedged(
    run: Run,
    model: Model,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    attempts: Attempts,
    *,
    timeout: float | None = None,
    alone: bool = True,
    cut: Cut | None = None,
) -> Reply:
    """Do what `run.call.ask` does, with a hedge where `policies.hedge` allows one; raises `CallError`.

    The first attempt that speaks (or, where nothing is streamed, answers) is the one that is heard; the other
    is cancelled, and entered in the ledger as such.
    """
    route = run.journey.routes.to(model)
    race = Race()
    entrants: list[_Entrant] = []

    def enter() -> None:
        lane, own = Lane(race), Attempts()
        call = ask(run, model, messages, parameters, own, timeout=timeout, alone=alone, cut=cut, lane=lane)
        lane.task = run.journey.loop.create_task(call)
        entrants.append(_Entrant(lane, lane.task, own, Entry(run, model, own)))

    patience = route.hedge.call() if route is not None else None
    enter()
    try:
        if route is not None and patience is not None:
            await asyncio.wait([entrants[0].task], timeout=patience)
            slow = race.winner is None and not entrants[0].task.done() and not route.breaker.open
            if slow and route.hedge.spend():
                enter()
        pending = {entrant.task for entrant in entrants}
        while pending and race.winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for entrant in entrants:
                if entrant.task in done and not entrant.task.cancelled() and not entrant.task.exception():
                    entrant.lane.leads()
                    break
        # The one that is heard goes on to its end; without one, all have failed.
        await asyncio.wait([entrant.task for entrant in entrants])
    finally:
        for entrant in entrants:
            entrant.task.cancel()
        await asyncio.gather(*(entrant.task for entrant in entrants), return_exceptions=True)
        attempts.count += sum(entrant.attempts.count for entrant in entrants)
    winner = next((one for one in entrants if one.lane is race.winner), entrants[0])
    for entrant in entrants:
        if entrant is not winner:
            entrant.lost()
    attempts.seconds, attempts.first_token = winner.attempts.seconds, winner.attempts.first_token
    reply = winner.task.result()
    if route is not None:
        route.hedge.note(attempts.first_token or attempts.seconds)
    return reply


class _Entrant(NamedTuple):
    """One attempt of the race, with its own count and its own line for the ledger."""

    lane: Lane
    task: asyncio.Task[Reply]
    attempts: Attempts
    entry: Entry

    def lost(self) -> None:
        """Enter an attempt that did not win."""
        error = None if self.task.cancelled() else self.task.exception()
        if isinstance(error, CallError | BudgetExceeded):
            self.entry.failed(error)
        else:
            self.entry.failed(CallError("dropped: the other attempt was faster"), "cancelled")
