"""Making something of each reference side by side, where one of which nothing comes stays as it is."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from moakit.layers.side_by_side import side_by_side
from moakit.run.scope import References, Run
from moakit.types import Response


async def one_each(
    references: References,
    units: Sequence[Coroutine[Any, Any, Response]],
    run: Run,
    *,
    timeout: float,
    minimum: int | None,
    who: str,
) -> References:
    """Run one unit for each reference and return what they give, in the references' order.

    Where a unit fails or is too late the reference itself is given, and the run is degraded. Raises
    `NotEnoughResponses` when fewer than `minimum` units succeed; it is not inherited, since the `minimum` of
    an ensemble counts proposals.
    """
    made: dict[int, Response] = {}

    async def kept(place: int, unit: Coroutine[Any, Any, Response]) -> References:
        made[place] = await unit
        return (made[place],)

    # Of what is said about different responses none makes the others needless.
    settings = msgspec.structs.replace(run.settings, minimum=minimum or 0, agreement=None)
    tasks = [kept(place, unit) for place, unit in enumerate(units)]
    await side_by_side(tasks, run, timeout=timeout, settings=settings, who=who)
    return tuple(made.get(place, reference) for place, reference in enumerate(references))
