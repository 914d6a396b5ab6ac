"""The layer that makes one response of the references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from moakit.errors import ConfigError, MoaError, SchemaMismatch, ShapeError, UserError
from moakit.layers.agent import Agent, as_agent, as_layer
from moakit.layers.base import Layer
from moakit.layers.likeness import most_alike
from moakit.layers.payable import check_payable
from moakit.models.base import Model
from moakit.policies.settings import Settings, settings_from
from moakit.prompts import Layout
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Aggregator(Layer):
    """An agent that makes one response of the references (Aggregate-and-Synthesize, arXiv 2406.04692).

    `prompt` is "moakit", "together" (the paper's own), a `Template` or a function; `fallback` agents stand in
    when the model fails before its first token. At the tail its tokens stream as the answer.

    One call, any number of references in, one response out.

    >>> Aggregator("demo/editor").shape(3)
    1
    """

    keeps_deadline: ClassVar[bool] = True

    def __init__(
        self,
        agent: Layer | str | Model,
        *,
        prompt: Layout | None = None,
        fallback: str | Agent | Model | Sequence[str | Agent | Model] = (),
        **settings: Any,
    ) -> None:
        layer = as_layer(agent)
        several = tuple(fallback) if isinstance(fallback, list | tuple) else (fallback,)
        if several:
            if not isinstance(layer, Agent):
                raise ConfigError(
                    f"Aggregator: a fallback needs an agent, not {type(layer).__name__}",
                    hint="give the fallback to the agents inside",
                )
            layer = layer.with_options(fallback=(*layer.fallback, *map(as_agent, several)))
        self.agent = layer
        self.settings: Settings = settings_from("Aggregator", prompt=prompt, **settings)
        self._measure()

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Run the agent on the references."""
        try:
            return await run(
                self.agent,
                prompt,
                references,
                at=0,
                tail=True,
                role="aggregator",
                deadline=self.settings.deadline,
            )
        except MoaError as error:
            if (
                run.settings.on_no_aggregator != "best"
                or isinstance(error, UserError | SchemaMismatch)
                or not references
                or (run.tail and run.journey.answered)
            ):
                raise
            run.degrade()
            return (best(references),)

    def shape(self, references: int | None) -> int:
        """Return 1; an aggregator that stands first has no references to read."""
        if references == 0:
            raise ShapeError(
                "an Aggregator has no references to aggregate",
                hint="put Proposers before it, or use an Agent",
            )
        return 1

    def resumes(self) -> bool:
        """Return True: the agent reads the result."""
        return True

    def options(self) -> dict[str, Any]:
        """Return the settings."""
        return self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy with another agent."""
        clone = super().with_child(place, layer)
        if isinstance(clone, Aggregator):
            clone._measure()  # noqa: SLF001 - one of its own kind
        return clone

    def to_config(self) -> Any:
        """Return `{"aggregate": …}` with the settings."""
        return {"aggregate": self.agent.to_config(), **self.settings.to_config()}

    def _measure(self) -> None:
        width = self.agent.shape(None)
        if width not in (1, None):
            raise ShapeError(
                f"an aggregator gives one response, {self.agent!r} gives {width}",
                hint="samples belong to proposers",
            )
        check_payable("Aggregator", self)


def best(references: References) -> Response:
    """Return the reference that is most alike the others; the longest of two."""
    return references[most_alike(references)[0]]
