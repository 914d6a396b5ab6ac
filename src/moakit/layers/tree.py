"""The layer that aggregates the references in groups, and the groups' responses again, up to one."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

from moakit.errors import ConfigError, ShapeError
from moakit.layers.base import Layer
from moakit.layers.payable import check_payable
from moakit.layers.side_by_side import SHARE, side_by_side
from moakit.layers.summary import Plan
from moakit.layers.window import aggregator_config, as_aggregator
from moakit.models.base import Model
from moakit.policies.settings import Settings, settings_from
from moakit.run.scope import References, Run
from moakit.types import Prompt

S = TypeVar("S", bound=Sequence[Any])


class Tree(Layer):
    """Aggregates the references in groups of at most `fan`, then the groups' responses, until one is left.

    That is Faster-MoA (arXiv 2512.18126). The groups of a level are as even as can be and stand side by side;
    a group of one is passed up without a call. Among them `quorum`, `grace` (seconds), `minimum`,
    `agreement` and `strict` hold as among proposers: one that fails or is too late is done without, and the
    run is degraded. The last call streams at the tail; a single reference is the response as it is.
    `aggregator` is an `Aggregator`, or becomes one; `deadline` (seconds) is for all levels together. Without
    any reference the aggregator answers alone, as by itself.

    >>> Tree("demo/editor", fan=2).plan(4)
    Plan(calls=3, steps=2)
    """

    def __init__(self, aggregator: Layer | str | Model, *, fan: int = 2, **settings: Any) -> None:
        if isinstance(fan, bool) or not isinstance(fan, int) or fan < 2:
            raise ConfigError(f"Tree: fan = {fan!r} is not a whole number, 2 or more")
        self.aggregator = as_aggregator(aggregator)
        self.fan = fan
        self.settings: Settings = settings_from("Tree", ("fan",), **settings)
        check_payable("Tree", self)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> References:
        """Aggregate level by level and return what the last one gives."""
        while len(references) > self.fan:
            # Each level leaves those after it as much of the time as proposers leave to an aggregator.
            timeout = run.remaining * SHARE
            groups = grouped(references, self.fan)
            # One that is passed up makes up for no group that failed.
            made: dict[int, References] = {at: group for at, group in enumerate(groups) if len(group) == 1}
            units = [
                _kept(made, place, run(self.aggregator, prompt, group, at=0, deadline=timeout))
                for place, group in enumerate(groups)
                if len(group) > 1
            ]
            await side_by_side(units, run, timeout=timeout, who="aggregator")
            references = tuple(response for place in sorted(made) for response in made[place])
        if len(references) == 1:
            return references
        return await run(self.aggregator, prompt, references, at=0, tail=True)

    def resumes(self) -> bool:
        """Say yes: without references the aggregator goes on alone."""
        return True

    def shape(self, references: int | None) -> int:
        """Return 1; a tree that stands first has no references to aggregate."""
        if references == 0:
            raise ShapeError("a Tree has no references to aggregate", hint="put Proposers before it")
        return 1

    def plan(self, references: int | None = 0) -> Plan:
        """Return the calls of all groups, and a step for each level; one where the number is not known."""
        calls = steps = 0
        left = references or self.fan
        while left > 1:
            plans = [self.aggregator.plan(width) for width in even(left, self.fan) if width > 1]
            calls += sum(plan.calls for plan in plans)
            steps += max(plan.steps for plan in plans)
            left = -(-left // self.fan)
        return Plan(calls, steps)

    def ending(self, given: Sequence[int], settings: Settings) -> tuple[Layer, list[int]] | None:
        """Return the aggregator, with what the last level reads."""
        longest = list(given)
        while len(longest) > self.fan:
            groups = grouped(longest, self.fan)
            merged = [
                group if len(group) == 1 else self.aggregator.lengths(group, settings) for group in groups
            ]
            longest = [length for group in merged for length in group]
        return (self.aggregator, longest) if len(longest) > 1 else None

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that the aggregator's response may be."""
        return self.aggregator.lengths(given, settings) if len(given) > 1 else list(given)

    def options(self) -> dict[str, Any]:
        """Return the fan and the settings."""
        return {"fan": self.fan} | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy with another aggregator."""
        del place
        return Tree(layer, **self.options())

    def to_config(self) -> Any:
        """Return `{"tree": …}` with the fan and the settings."""
        return {"tree": aggregator_config(self.aggregator), "fan": self.fan, **self.settings.to_config()}


async def _kept(made: dict[int, References], place: int, call: Coroutine[Any, Any, References]) -> References:
    made[place] = await call
    return made[place]


def even(count: int, most: int) -> list[int]:
    """Return the sizes of as few groups as there can be of at most so many, as even as can be."""
    groups = -(-count // most)
    return [count // groups + (place < count % groups) for place in range(groups)]


def grouped(items: S, most: int) -> list[S]:
    """Return a sequence in such groups."""
    groups: list[S] = []
    start = 0
    for width in even(len(items), most):
        groups.append(cast("S", items[start : start + width]))
        start += width
    return groups
