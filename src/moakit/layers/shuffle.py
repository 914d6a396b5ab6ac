"""The layer that changes the order of the references."""

from __future__ import annotations

import random
from typing import Any

from moakit.errors import ConfigError
from moakit.layers.base import Layer
from moakit.layers.selection import check_given, check_shape
from moakit.layers.summary import Plan
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Shuffle(Layer):
    """Gives the references in another order, the same in every run with this `seed`.

    Against the preference of models for what stands first or last. In sample i of what it stands in, the seed
    is seed + i, as for agents. No calls.

    >>> Shuffle(seed=7).shape(3)
    3
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ConfigError(f"Shuffle: seed = {seed!r} is not a whole number")
        self.seed = seed

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Return the references in another order."""
        del prompt
        check_given(self, references, run)
        order = list(references)
        random.Random(self.seed + run.shift).shuffle(order)
        return tuple(order)

    def shape(self, references: int | None) -> int | None:
        """Return as many as go in; raises `ShapeError` for none."""
        check_shape(self, references)
        return references

    def plan(self, references: int | None = 0) -> Plan:
        """Return nothing: nobody is asked."""
        del references
        return Plan(0, 0)

    def options(self) -> dict[str, Any]:
        """Return what is not the default."""
        return {"seed": self.seed} if self.seed else {}

    def to_config(self) -> Any:
        """Return `{"shuffle": …}`."""
        return {"shuffle": self.seed}
