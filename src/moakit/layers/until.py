"""The layer that repeats another one until it changes nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moakit.errors import ConfigError, MoaError, ShapeError, UserError
from moakit.events import Judged
from moakit.layers.agent import as_layer
from moakit.layers.base import Layer
from moakit.layers.picture import Link
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.agreement import Measure, likeness
from moakit.policies.tools import goes_alone
from moakit.prompts import continues
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Until(Layer):
    """Repeats a layer, each time on what it gave, until that agrees with what it was given.

    The adaptive stop of RMoA (arXiv 2505.24442). `agreement`, above 0 to 1, is how alike output and input
    must be, by their words or by a `measure` of two texts; after `times` rounds it ends in any case. A later
    round that fails ends it too: what the round before gave stands, and the run is degraded. At the tail the
    last round streams, an earlier one that ends it is sent whole.

    Calls: the layer's, at most `times` times, in as many steps. Gives what the layer gives.

    >>> Until(Aggregator("demo/editor"), times=2).plan(3)
    Plan(calls=2, steps=2)
    """

    def __init__(
        self,
        layer: Layer | str | Model,
        *,
        times: int = 3,
        agreement: float = 0.9,
        measure: Measure | None = None,
    ) -> None:
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise ConfigError(f"Until: times = {times!r} is not a whole number, 1 or more")
        if isinstance(agreement, bool) or not isinstance(agreement, int | float) or not 0 < agreement <= 1:
            raise ConfigError(f"Until: agreement = {agreement!r} is not a number above 0, at most 1")
        if measure is not None and not callable(measure):
            raise ConfigError(f"Until: measure = {measure!r} is not a function from texts to a number")
        self.layer = as_layer(layer)
        self.times = times
        self.agreement = agreement
        self.measure = measure
        self.shape(None)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> Sequence[Response]:
        """Run the layer again and again."""
        if run.tail and (continues(prompt) or goes_alone(prompt, run.parameters, run.settings)):
            # A tool's result came back to the last round, or only that is to answer.
            return await run(self.layer, prompt, references, at=0, tail=True)
        given = await run(self.layer, prompt, references, at=0, tail=self.times == 1)
        for turn in range(2, self.times + 1):
            same = self._likeness(references, given)
            run.tell(Judged, verdict={"agreement": round(same, 3), "done": same >= self.agreement})
            if same >= self.agreement:
                break
            references = given
            self._fit(len(references))
            try:
                given = await run(self.layer, prompt, references, at=0, tail=turn == self.times)
            except MoaError as error:
                if isinstance(error, UserError) or (run.tail and run.journey.answered):
                    raise
                run.degrade()
                run.tell(Judged, verdict={"agreement": round(same, 3), "done": True, "why": str(error)})
                break
        return given

    def _likeness(self, before: References, after: References) -> float:
        return likeness([one.text for one in before], [one.text for one in after], self.measure)

    def _fit(self, references: int | None) -> int | None:
        try:
            return self.layer.shape(references)
        except ShapeError as error:
            raise ShapeError(
                f"Until: the layer cannot read what it gives: {error.message}", hint=error.hint
            ) from error

    def shape(self, references: int | None) -> int | None:
        """Return what the layer gives, if that stays the same from the first round to the last."""
        first = self.layer.shape(references)
        given = first
        for _ in range(min(self.times, 3) - 1):
            given = self._fit(given)
            if given != first:
                return None
        return given

    def plan(self, references: int | None = 0) -> Plan:
        """Return the calls and steps of all rounds."""
        calls = steps = 0
        for _ in range(self.times):
            plan = self.layer.plan(references)
            calls, steps = calls + plan.calls, steps + plan.steps
            try:
                references = self.layer.shape(references)
            except ShapeError:
                # One that cannot stand first is planned as if it stood further back.
                references = self.layer.shape(None)
        return Plan(calls, steps)

    def resumes(self) -> bool:
        """Say whether the layer goes on from a tool's result."""
        return self.layer.resumes()

    def links(self) -> Sequence[Link]:
        """Return the way back."""
        return (Link(0, 0, f"until {self.agreement:g} alike, at most {self.times} times", dotted=True),)

    def options(self) -> dict[str, Any]:
        """Return the rounds, the agreement and the measure."""
        options: dict[str, Any] = {"times": self.times, "agreement": self.agreement}
        return options if self.measure is None else {**options, "measure": self.measure}

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return an Until that repeats another layer."""
        del place
        return Until(layer, **self.options())

    def to_config(self) -> Any:
        """Return `{"until": …, "times": …, "agreement": …}`."""
        if self.measure is not None:
            raise MoaError("a measure is a function, so it has no configuration", hint="set it in Python")
        return {"until": self.layer.to_config(), **self.options()}
