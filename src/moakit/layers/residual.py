"""A layer that adds to the references instead of replacing them."""

from __future__ import annotations

from typing import Any

from moakit.layers.agent import as_layer
from moakit.layers.base import Layer
from moakit.models.base import Model
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Residual(Layer):
    """Gives the references it was given, then those of the layer inside (RMoA, arXiv 2505.24442).

    The calls and steps of the layer inside; n references in, n and those of the layer out.

    >>> Residual(Proposers("demo/planner")).shape(2)
    3
    """

    def __init__(self, layer: Layer | str | Model) -> None:
        self.layer = as_layer(layer)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Return the references and what the layer inside makes of them."""
        return (*references, *await run(self.layer, prompt, references, at=0))

    def shape(self, references: int | None) -> int | None:
        """Return the references in plus those of the layer inside."""
        added = self.layer.shape(references)
        return None if references is None or added is None else references + added

    def to_config(self) -> Any:
        """Return `{"residual": …}`."""
        return {"residual": self.layer.to_config()}
