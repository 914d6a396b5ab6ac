"""Layers one after another: each reads what the one before gave."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise, starmap
from typing import Any, ClassVar, TypeAlias

from moakit.errors import ConfigError, NotEnoughResponses, ShapeError
from moakit.layers.agent import as_layer
from moakit.layers.base import Layer
from moakit.layers.offer import as_intentions, check_tools, offer_for
from moakit.layers.payable import check_payable
from moakit.layers.picture import Link
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.settings import NO_SETTINGS, settings_from
from moakit.policies.tools import goes_alone
from moakit.run.scope import NO_PARAMETERS, NO_REFERENCES, References, Run, needs_references
from moakit.types import Prompt, Response

Gate: TypeAlias = Callable[[References], Awaitable[None]]
"""Is shown what the last layer would read; what it raises ends the layer before that is asked."""


class Sequential(Layer):
    """Feeds each layer the responses of the one before, as `torch.nn.Sequential` does.

    Indexes, slices, adds and repeats: `ensemble[0]`, `ensemble[:2]`, `ensemble + layer`,
    `Sequential(*[layer] * 3, last)`. `name` and `description` are what the server lists; the settings (see
    `Settings`) hold for everything inside that sets none of its own, `deadline` for the whole.
    Raises `ShapeError` when two layers do not fit.

    The calls and steps of its layers, added up; the references of the first in, those of the last out.

    >>> len(Sequential(Proposers("demo/planner", "demo/skeptic"), Aggregator("demo/editor")))
    2
    """

    in_order: ClassVar[bool] = True
    words: ClassVar[tuple[str, ...]] = ("name", "description")
    _gate: Gate | None = None

    def __init__(
        self, *layers: Layer | str | Model, name: str = "", description: str = "", **settings: Any
    ) -> None:
        if not layers:
            raise ConfigError("Sequential needs at least one layer")
        self.layers = tuple(as_layer(layer) for layer in layers)
        self.name = name
        self.description = description
        self.settings = settings_from(name or type(self).__name__, self.words, **settings)
        check_payable(name or type(self).__name__, self)
        self.shape(None)
        check_tools(name or type(self).__name__, self, self.settings)
        # What such a layer gives is known only when it runs, so the next one is asked then.
        self._open = tuple(layer.shape(None) is None for layer in self.layers)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Run the layers in order and return what the last one gives."""
        last = len(self.layers) - 1
        offer = offer_for(self, run) if run.tail and run.parameters else None
        first, references = self._start(prompt, references, run) if run.tail else (0, references)
        for at in range(first, last + 1):
            if at == last and self._gate is not None:
                await self._gate(references)
            try:
                references = await run(
                    self.layers[at],
                    prompt,
                    references,
                    at=at,
                    tail=at == last,
                    offered=NO_PARAMETERS if offer is None or at == last else offer.to(self.layers[at]),
                )
            except NotEnoughResponses:
                if at == last or run.settings.on_no_references != "answer":
                    raise
                run.degrade()
                references = NO_REFERENCES
            else:
                if at < last and self._open[at]:
                    self._fit(at + 1, len(references))
            if not run.path:
                run.journey.layers.append(references)
            if offer is not None and at < last:
                elected = offer.elected(self.layers[at], references, run)
                if elected is not None:
                    return (elected,)
                references = as_intentions(references)
                if at == last - 1 and (merged := offer.merged(references, run)) is not None:
                    return (merged,)
        return references

    def _start(self, prompt: Prompt, references: References, run: Run) -> tuple[int, References]:
        """Return the place of the first layer that runs at the tail, and the references it reads."""
        last = len(self.layers) - 1
        if references is run.journey.given:
            self.shape_given(len(references))
            # Read here, they are not given any more: what reads them inside would have asked for none.
            return self.begins, references if self.passes_on else (*references,)
        if goes_alone(prompt, run.parameters, run.settings) and self.layers[last].resumes():
            # Of a tool's result: the tail goes on where it stopped, nobody is asked afresh.
            return last, NO_REFERENCES
        return 0, references

    def shape(self, references: int | None) -> int | None:
        """Return what comes out of the last layer."""
        for place in range(len(self.layers)):
            references = self._fit(place, references)
        return references

    @property
    def begins(self) -> int:
        """The place where a run given references begins: the first layer that needs some, or the last."""
        last = len(self.layers) - 1
        return next((at for at, layer in enumerate(self.layers) if needs_references(layer)), last)

    @property
    def passes_on(self) -> bool:
        """Whether its only layer decides itself where a run that is given references begins."""
        return len(self.layers) == 1 and not needs_references(self.layers[0])

    def shape_given(self, references: int) -> int | None:
        """Return what comes out of the last layer when those before the one that begins are skipped."""
        if self.passes_on:
            return self.layers[0].shape_given(references)
        given: int | None = references
        for place in range(self.begins, len(self.layers)):
            given = self._fit(place, given)
        return given

    def plan(self, references: int | None = 0) -> Plan:
        """Return the sum of the layers' calls and steps, each with what the one before gives."""
        calls = steps = 0
        for layer in self.layers:
            plan = layer.plan(references)
            calls, steps = calls + plan.calls, steps + plan.steps
            try:
                references = layer.shape(references)
            except ShapeError:
                # One that cannot stand first is planned as if it stood further back.
                references = layer.shape(None)
        return Plan(calls, steps)

    def resumes(self) -> bool:
        """Return True: the last layer goes on, or all are asked again."""
        return True

    def gated(self, gate: Gate) -> Sequential:
        """Return a copy that shows the gate what the last layer is about to read."""
        clone = copy.copy(self)
        clone._gate = gate  # noqa: SLF001 - one of its own kind
        return clone

    def _fit(self, place: int, references: int | None) -> int | None:
        try:
            return self.layers[place].shape(references)
        except ShapeError as error:
            raise ShapeError(f"layer {place}: {error.message}", hint=error.hint) from error

    def links(self) -> Sequence[Link]:
        """Return an edge from each layer to the next."""
        return tuple(starmap(Link, pairwise(range(len(self.layers)))))

    def options(self) -> dict[str, Any]:
        """Return name, description and settings, where given."""
        named = {key: value for key in ("name", "description") if (value := getattr(self, key))}
        return named | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a Sequential in which one layer is another."""
        return Sequential(*self.layers[:place], layer, *self.layers[place + 1 :], **self.options())

    def to_config(self) -> Any:
        """Return the long form: `{"layers": […]}` with the settings."""
        named = {key: value for key in ("name", "description") if (value := getattr(self, key))}
        layers = [layer.to_config() for layer in self.layers]
        return {**named, "layers": layers, **self.settings.to_config()}

    def __getitem__(self, key: int | str | slice) -> Layer:
        """Return a layer by index or address, or a Sequential of a slice."""
        if isinstance(key, slice):
            return Sequential(*self.layers[key], **self.options())
        return super().__getitem__(key)

    def __add__(self, other: Layer) -> Sequential:
        # One with settings of its own stays one layer, so that they go on to hold for it.
        opens = isinstance(other, Sequential) and other.settings is NO_SETTINGS
        more = other.children() if opens else (other,)
        return Sequential(*self.layers, *more, **self.options())

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*self.layers * times, **self.options())
