"""The layer that aggregates the references a few at a time, carrying the best one along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moakit.errors import ConfigError, ShapeError
from moakit.layers.aggregator import Aggregator
from moakit.layers.base import Layer
from moakit.layers.payable import check_payable
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.settings import Settings, settings_from
from moakit.run.scope import References, Run
from moakit.types import Prompt


class Window(Layer):
    """Aggregates the references `size` at a time (Self-MoA-Seq, arXiv 2502.00674): one response.

    The first call reads `size` references; each further one reads the response of the call before, then the
    next `size` - 1. So n references take (n - 1) / (size - 1) calls, rounded up, one after another, and no
    call reads more than `size`: for many samples, or for models with a small window. A single reference is
    the response as it is. The last call streams at the tail. `aggregator` is an `Aggregator`, or becomes one;
    `deadline` (seconds) is for all calls together. Without any reference the aggregator answers alone, as by
    itself.

    >>> Window("demo/editor", size=3).plan(7).calls
    3
    """

    def __init__(self, aggregator: Layer | str | Model, *, size: int = 6, **settings: Any) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 2:
            raise ConfigError(
                f"Window: size = {size!r} is not a whole number, 2 or more",
                hint="one place is for the response that is carried along",
            )
        self.aggregator = as_aggregator(aggregator)
        self.size = size
        self.settings: Settings = settings_from("Window", ("size",), **settings)
        check_payable("Window", self)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> References:
        """Aggregate one window after another and return what the last one gives."""
        if len(references) == 1:
            return references
        shown, rest = references[: self.size], references[self.size :]
        while True:
            carried = await run(self.aggregator, prompt, shown, at=0, tail=not rest)
            if not rest:
                return carried
            shown, rest = (*carried, *rest[: self.size - 1]), rest[self.size - 1 :]

    def resumes(self) -> bool:
        """Say yes: without references the aggregator goes on alone."""
        return True

    def shape(self, references: int | None) -> int:
        """Return 1; a window that stands first has no references to aggregate."""
        if references == 0:
            raise ShapeError("a Window has no references to aggregate", hint="put Proposers before it")
        return 1

    def plan(self, references: int | None = 0) -> Plan:
        """Return the calls of the windows, one after another; at least one where the number is not known."""
        calls = steps = 0
        for read in _windows(references or self.size, self.size):
            plan = self.aggregator.plan(read)
            calls, steps = calls + plan.calls, steps + plan.steps
        return Plan(calls, steps)

    def ending(self, given: Sequence[int], settings: Settings) -> tuple[Layer, list[int]] | None:
        """Return the aggregator, with the last window."""
        reads = _windows(len(given), self.size)
        if not reads:
            return None
        if len(reads) == 1:
            return self.aggregator, list(given)
        carried = self.aggregator.lengths(given, settings)
        return self.aggregator, [*carried, *given[len(given) - reads[-1] + 1 :]]

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that the aggregator's response may be."""
        return self.aggregator.lengths(given, settings) if len(given) > 1 else list(given)

    def options(self) -> dict[str, Any]:
        """Return the size and the settings."""
        return {"size": self.size} | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy with another aggregator."""
        del place
        return Window(layer, **self.options())

    def to_config(self) -> Any:
        """Return `{"window": …}` with the size and the settings."""
        return {
            "window": aggregator_config(self.aggregator),
            "size": self.size,
            **self.settings.to_config(),
        }


def as_aggregator(layer: Layer | str | Model) -> Aggregator:
    """Return an aggregator as it is, or one of this agent or ensemble."""
    return layer if isinstance(layer, Aggregator) else Aggregator(layer)


def aggregator_config(aggregator: Aggregator) -> Any:
    """Return the configuration of an aggregator inside a layer: without settings, its agent's alone."""
    config = aggregator.to_config()
    return config["aggregate"] if set(config) == {"aggregate"} else config


def _windows(references: int, size: int) -> list[int]:
    """Return how many each call reads."""
    if references < 2:
        return []
    read = [min(size, references)]
    left = references - read[0]
    while left > 0:
        read.append(1 + min(size - 1, left))
        left -= size - 1
    return read
