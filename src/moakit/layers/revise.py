"""The layer in which every reference is revised in the light of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from moakit.errors import ShapeError
from moakit.layers.agent import as_layer
from moakit.layers.asking import asked, check_single, only
from moakit.layers.authors import author_of, enter_author
from moakit.layers.base import Layer
from moakit.layers.given import check_given
from moakit.layers.one_each import one_each
from moakit.layers.payable import check_payable
from moakit.layers.side_by_side import share
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.models.tokens import ANSWER
from moakit.policies.settings import Settings, settings_from
from moakit.prompts import Layout
from moakit.prompts.critique import without_critique
from moakit.prompts.replaced import own_layout, replaced
from moakit.prompts.revision import REVISION
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Revise(Layer):
    """Has each reference revised in the light of the others (Attention-MoA, 2601.16596; debate, 2305.14325).

    One agent revises all, several each the reference at their place, and `Revise()` has each revised by the
    agent that wrote it. One call for each reference, side by side: the agent reads its own response
    first, then the others, with their critiques if they have any; as many come out as go in. `quorum`,
    `grace` (seconds) and `deadline` (seconds for this layer) say how long to wait. Where a revision fails or
    is too late the old response stays, without its critique, and the run is degraded; with fewer revisions
    than a `minimum` of its own it is `NotEnoughResponses`. `prompt` is a `Template` or a function. Raises
    `ShapeError` when there are not as many agents as references, or when nobody knows who wrote one.

    >>> Revise("demo/planner", "demo/skeptic").shape(2)
    2
    """

    keeps_deadline: ClassVar[bool] = True

    def __init__(self, *agents: Layer | str | Model, prompt: Layout | None = None, **settings: Any) -> None:
        self.agents = tuple(as_layer(agent) for agent in agents)
        self.prompt = own_layout("Revise", prompt, REVISION)
        self.settings: Settings = settings_from("Revise", ("prompt",), **settings)
        self._measure()

    async def forward(self, prompt: Prompt, references: References, run: Run) -> References:
        """Ask for the revisions at once and return them, the old response where one did not come in time."""
        check_given(references, run)
        self.shape(len(references))
        revisers = self._revisers(references, run)
        timeout = share(run, self.settings.deadline)
        units = [
            self._revised(prompt, references, place, reviser, run) for place, reviser in enumerate(revisers)
        ]
        plain = tuple(
            msgspec.structs.replace(reference, text=without_critique(reference.text, critique))
            if (critique := reference.extra.get("critique"))
            else reference
            for reference in references
        )
        minimum = self.settings.minimum
        return await one_each(plain, units, run, timeout=timeout, minimum=minimum, who="reviser")

    async def _revised(
        self, prompt: Prompt, references: References, place: int, reviser: Layer, run: Run
    ) -> Response:
        shown = [references[place], *references[:place], *references[place + 1 :]]
        # One agent for several references draws its own sample for each; others have a place each.
        shared = len(self.agents) == 1 and len(references) > 1
        sample, samples = (place, len(references)) if shared else (None, 1)
        at = 0 if shared else place
        given = await asked(
            run, reviser, prompt, shown, self.prompt, at=at, role="reviser", sample=sample, samples=samples
        )
        return only("Revise", given)

    def _revisers(self, references: References, run: Run) -> Sequence[Layer]:
        if self.agents:
            return self.agents if len(self.agents) > 1 else self.agents * len(references)
        revisers = []
        for place, reference in enumerate(references):
            author = author_of(reference, run)
            if author is None:
                raise ShapeError(
                    f"Revise at {run.path or 'the root'} does not know who wrote reference {place + 1}",
                    hint="pass the agents that revise: Revise(…)",
                )
            if author.samples != 1:
                author = author.with_options(samples=1)
            enter_author(f"{run.path}.{place}" if run.path else str(place), author, run)
            revisers.append(author)
        return revisers

    def shape(self, references: int | None) -> int | None:
        """Return as many as go in: one for each agent, where there are several."""
        several = len(self.agents) if len(self.agents) > 1 else None
        if references == 0:
            raise ShapeError("a Revise has no references to revise", hint="put Proposers before it")
        if several is not None and references not in (None, several):
            raise ShapeError(
                f"Revise has {several} agents for {references} references",
                hint="give one agent for each, one for all, or none: then the authors revise",
            )
        return references or several

    def plan(self, references: int | None = 0) -> Plan:
        """Return one call for each reference, in the steps of the longest."""
        width = references or len(self.agents) or 1
        if not self.agents:
            return Plan(width, 1)
        plans = [agent.plan(references) for agent in self.agents]
        calls = sum(plan.calls for plan in plans)
        return Plan(calls * width if len(plans) == 1 else calls, max(plan.steps for plan in plans))

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that each response may be; the authors' own lengths are not known here."""
        if not self.agents:
            return [max(settings.max_tokens or ANSWER, one) for one in given]
        from moakit.layers.outlook import lengths_inside

        made = lengths_inside(self, given, settings)
        made = made * len(given) if len(made) == 1 else made
        return [max(pair) for pair in zip(made, given, strict=False)]

    def options(self) -> dict[str, Any]:
        """Return the prompt, if it is not the layer's own, and the settings."""
        given = {} if self.prompt == REVISION else {"prompt": self.prompt}
        return given | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy with another agent."""
        clone = super().with_child(place, layer)
        if isinstance(clone, Revise):
            clone._measure()  # noqa: SLF001 - one of its own kind
        return clone

    def to_config(self) -> Any:
        """Return `{"revise": […]}` with the prompt and the settings."""
        prompt = {} if self.prompt == REVISION else {"prompt": replaced(self.prompt, REVISION)}
        agents = [agent.to_config() for agent in self.agents]
        return {"revise": agents, **prompt, **self.settings.to_config()}

    def _measure(self) -> None:
        for agent in self.agents:
            check_single("Revise", agent)
        check_payable("Revise", self)
