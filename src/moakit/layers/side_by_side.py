"""Running several layers at once and keeping the responses that came in time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeGuard

from moakit.errors import DeadlineExceeded, MoaError, NotEnoughResponses, UserError
from moakit.policies.agreement import AGREED, Agreement
from moakit.policies.quorum import collect, quorum_for
from moakit.policies.refill import Refill, StandIn
from moakit.policies.settings import Settings
from moakit.run.scope import References, Run
from moakit.types import Response

SHARE = 0.6
"""How much of the time left a layer may use when other layers come after it."""
NOBODY: tuple[Exception, ...] = ()


def share(run: Run, deadline: float | None = None) -> float:
    """Return the seconds a layer may take: its own deadline, else what leaves 40 % to the layers after it.

    They hold for everything inside as well, so that no retry waits longer and a nested ensemble shares them.
    """
    remaining = run.remaining
    if deadline is not None:
        seconds = min(deadline, remaining)
    else:
        seconds = remaining if run.tail else remaining * SHARE
    run.deadline_at += seconds - remaining
    return seconds


async def side_by_side(
    units: Sequence[Coroutine[Any, Any, Sequence[Response]]],
    run: Run,
    *,
    timeout: float,
    bench: Sequence[StandIn] = (),
    settings: Settings | None = None,
    who: str = "proposer",
) -> References:
    """Run the units at once and return their responses in the order the units were given.

    One that fails is replaced by the next of the `bench`, whose responses stand in its place. Raises
    `NotEnoughResponses` with every cause when fewer than `minimum` are there in the end; when `strict`, the
    first failure that was not made up for. `settings` are by default the run's; `who` is what the units are
    called in an error.
    """
    settings = settings or run.settings
    width = len(units)
    strict = bool(settings.strict)
    loop = run.journey.loop
    create = loop.create_task
    tasks = [create(unit) for unit in units]

    minimum = width if strict else min(1 if settings.minimum is None else settings.minimum, width)
    quorum, least = (width, width) if strict else quorum_for(width, settings.quorum, max(minimum, 1))
    refill = Refill(bench, until=run.deadline_at, loop=loop) if bench else None
    ended = await collect(
        tasks,
        quorum=quorum,
        least=least,
        grace=settings.grace,
        timeout=timeout,
        strict=strict,
        bearable=_bearable,
        refill=refill,
        agreed=None if strict or settings.agreement is None else _agreement(settings, minimum),
    )
    responses: list[Response] = []
    causes: list[Exception] = []
    for task in tasks:
        if task.cancelled():
            run.dropped += 1
        elif (error := task.exception()) is None:
            responses.extend(task.result())
        elif _bearable(error):
            run.dropped += 1
            causes.append(error)
        else:
            raise error
    replaced = refill.replaced if refill is not None else NOBODY
    if causes or replaced or (run.dropped and ended != AGREED):
        run.degrade()
    if run.dropped:
        if strict and causes:
            raise causes[0]
        if len(responses) < minimum:
            late = run.dropped - len(causes)
            slow = [_too_late(late, timeout, run.path)] if late else []
            raise _not_enough(run, len(responses), minimum, [*replaced, *causes, *slow], who)
    return tuple(responses)


def _agreement(settings: Settings, minimum: int) -> Callable[[Sequence[Response]], bool]:
    agreement = Agreement(settings.agreement or 1.0, measure=settings.measure, least=minimum)
    return lambda responses: agreement(response.text for response in responses)


def _bearable(error: BaseException) -> TypeGuard[MoaError]:
    """Say whether others can make up for it; the user's own mistake, or a defect, they cannot."""
    return isinstance(error, MoaError) and not isinstance(error, UserError)


def _too_late(late: int, timeout: float, path: str) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{late} did not answer within {timeout:.3g} s", path=path, hint="raise `deadline`"
    )


def _not_enough(run: Run, got: int, minimum: int, causes: list[Exception], who: str) -> NotEnoughResponses:
    where = (
        f"layer {int(run.path) + 1}" if run.path.isdecimal() else f"{type(run.layer).__name__} at {run.path}"
    )
    place = where if run.path else type(run.layer).__name__
    if not got:
        return NotEnoughResponses(f"no {who} answered ({place})", causes)
    return NotEnoughResponses(
        f"only {got} of the {minimum} {who}s that are needed answered ({place})", causes
    )
