"""The layer that has every reference criticised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from moakit.errors import ShapeError
from moakit.layers.agent import as_layer
from moakit.layers.asking import asked, check_single, only
from moakit.layers.base import Layer
from moakit.layers.given import check_given
from moakit.layers.one_each import one_each
from moakit.layers.payable import check_payable
from moakit.layers.side_by_side import share
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.settings import Settings, settings_from
from moakit.prompts import Layout
from moakit.prompts.critique import CRITIQUE, HEADING, with_critique, without_critique
from moakit.prompts.replaced import own_layout, replaced
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Critique(Layer):
    """Has each reference criticised by an agent (Archon, arXiv 2409.15254): as many out as in.

    Each reference comes out word for word, its critique under a heading after it and in `extra["critique"]`.
    One call for each reference, side by side; `quorum`, `grace` (seconds) and `deadline` (seconds for this
    layer) say how long to wait. A reference whose critique fails or is too late stays as it is, and the run
    is degraded; with fewer critiques than a `minimum` of its own it is `NotEnoughResponses`. `prompt` is a
    `Template` or a function.

    >>> Critique("demo/skeptic").shape(3)
    3
    """

    keeps_deadline: ClassVar[bool] = True

    def __init__(self, agent: Layer | str | Model, *, prompt: Layout | None = None, **settings: Any) -> None:
        self.agent = as_layer(agent)
        self.prompt = own_layout("Critique", prompt, CRITIQUE)
        self.settings: Settings = settings_from("Critique", ("prompt",), **settings)
        self._measure()

    async def forward(self, prompt: Prompt, references: References, run: Run) -> References:
        """Ask for the critiques at once and return the references with those that came in time."""
        check_given(references, run)
        timeout = share(run, self.settings.deadline)
        several = len(references) > 1
        units = [
            self._criticised(prompt, reference, run, place if several else None, len(references))
            for place, reference in enumerate(references)
        ]
        minimum = self.settings.minimum
        return await one_each(references, units, run, timeout=timeout, minimum=minimum, who="critic")

    async def _criticised(
        self, prompt: Prompt, reference: Response, run: Run, sample: int | None, samples: int
    ) -> Response:
        given = await asked(
            run, self.agent, prompt, [reference], self.prompt,
            at=0, role="critic", sample=sample, samples=samples,
        )  # fmt: skip
        critique = only("Critique", given)
        text = with_critique(reference.text, critique.text)
        # A reference that was criticised before has two in it then.
        before = reference.extra.get("critique")
        twice = without_critique(reference.text, before) != reference.text
        head = f"{before}{HEADING}" if twice else ""
        unknown = reference.cost is None or critique.cost is None
        return msgspec.structs.replace(
            reference,
            text=text,
            usage=reference.usage + critique.usage,
            cost=None if unknown else (reference.cost or 0.0) + (critique.cost or 0.0),
            extra={**reference.extra, "critique": head + critique.text.strip()},
        )

    def shape(self, references: int | None) -> int | None:
        """Return as many as go in; one that stands first has nothing to criticise."""
        if references == 0:
            raise ShapeError("a Critique has no references to criticise", hint="put Proposers before it")
        return references

    def plan(self, references: int | None = 0) -> Plan:
        """Return one call of the agent for each reference, in the steps of one."""
        one = self.agent.plan(1)
        return Plan(one.calls * max(references or 1, 1), one.steps)

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that each response may be: the reference and its critique."""
        if not given:
            return []
        (critique,) = super().lengths([max(given)], settings)
        return [one + critique for one in given]

    def options(self) -> dict[str, Any]:
        """Return the prompt, if it is not the layer's own, and the settings."""
        given = {} if self.prompt == CRITIQUE else {"prompt": self.prompt}
        return given | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy with another agent."""
        clone = super().with_child(place, layer)
        if isinstance(clone, Critique):
            clone._measure()  # noqa: SLF001 - one of its own kind
        return clone

    def to_config(self) -> Any:
        """Return `{"critique": …}` with the prompt and the settings."""
        prompt = {} if self.prompt == CRITIQUE else {"prompt": replaced(self.prompt, CRITIQUE)}
        return {"critique": self.agent.to_config(), **prompt, **self.settings.to_config()}

    def _measure(self) -> None:
        check_single("Critique", self.agent)
        check_payable("Critique", self)
