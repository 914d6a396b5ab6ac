"""What every selecting layer is: some of its references, as they were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moakit.errors import ConfigError, MoaError, NotEnoughResponses, ShapeError
from moakit.layers.base import Layer
from moakit.layers.summary import Plan
from moakit.policies.settings import Settings
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Selection(Layer):
    """Gives some of the references it was given: verbatim, in their order, never all of them changed.

    Where there are no more than it keeps, nothing is asked.
    """

    async def choose(self, prompt: Prompt, references: References, run: Run) -> Sequence[int]:
        """Return the places of the references to keep; there are more of them than are kept."""
        raise NotImplementedError(f"{type(self).__name__} has no choose")

    def kept(self, references: int) -> int:
        """Return how many of so many references are kept."""
        del references
        return 1

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that each reference kept may be; a judge's verdict is no response."""
        del settings
        return sorted(given, reverse=True)[: self.shape(len(given))]

    def cost(self, references: int) -> Plan:
        """Return the calls and steps it takes to choose among so many references."""
        del references
        return Plan(0, 0)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Return the references that are kept."""
        check_given(self, references, run)
        if len(references) <= self.kept(len(references)):
            return references
        return tuple(references[place] for place in sorted(await self.choose(prompt, references, run)))

    def shape(self, references: int | None) -> int | None:
        """Return how many are kept; raises `ShapeError` where there are none to choose from."""
        check_shape(self, references)
        if references is None:
            # One of however many is one.
            return 1 if self.kept(2) == self.kept(9) == 1 else None
        return min(self.kept(references), references)

    def plan(self, references: int | None = 0) -> Plan:
        """Return what choosing takes, nothing where all are kept."""
        if references is None:
            references = next(count for count in range(1, 10_000) if self.kept(count) < count)
        return self.cost(references) if references > self.kept(references) else Plan(0, 0)


def check_shape(layer: Layer, references: int | None) -> None:
    """Raise `ShapeError` for a layer that has no references to work on."""
    if references == 0:
        raise ShapeError(f"{type(layer).__name__} has no references", hint="put Proposers before it")


def check_given(layer: Layer, references: References, run: Run) -> None:
    """Raise `NotEnoughResponses` where a run has no references for a layer."""
    if not references:
        raise NotEnoughResponses(
            f"{type(layer).__name__} at {run.path or 'the root'} has no references",
            [MoaError("the layers before it gave none")],
        )


def whole_number(owner: str, name: str, value: Any, least: int = 1) -> int:
    """Return a setting that is a count; raises `ConfigError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{owner}: {name} = {value!r} is not a whole number, {least} or more")
    return value
