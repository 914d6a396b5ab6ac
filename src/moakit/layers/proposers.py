"""Layers side by side: all see the same references, their responses stand in declaration order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

from moakit.errors import ConfigError
from moakit.layers.agent import Agent, as_layer
from moakit.layers.base import Layer, rows
from moakit.layers.payable import check_payable
from moakit.layers.side_by_side import share, side_by_side
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.settings import settings_from
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Proposers(Layer):
    """Runs agents, layers or ensembles at once; every response becomes a reference for the next layer.

    `samples` draws are made from each; `quorum`, `grace` (seconds), `minimum`, `deadline` (seconds for this
    layer), `agreement` and `strict` say how long to wait and for how many; `max_tokens` caps each response.
    The layers of the `bench` are asked only when a proposer has failed: the next one takes its place, each at
    most once.

    The calls of its layers, times the samples, in as many steps as the longest of them takes.

    >>> Proposers("demo/planner", "demo/skeptic", bench=["demo/storyteller"]).shape(0)
    2
    """

    keeps_deadline: ClassVar[bool] = True

    def __init__(
        self,
        *layers: Layer | str | Model,
        samples: int = 1,
        bench: Sequence[Layer | str | Model] = (),
        quorum: int | None = None,
        minimum: int | None = None,
        grace: float | None = None,
        deadline: float | None = None,
        max_tokens: int | None = None,
        **settings: Any,
    ) -> None:
        if not layers:
            raise ConfigError("Proposers needs at least one proposer")
        if len(layers) == 1 and isinstance(layers[0], list | tuple):
            raise ConfigError("Proposers takes its proposers one by one", hint="write Proposers(*team)")
        if not isinstance(samples, int) or samples < 1:
            raise ConfigError(f"Proposers: samples = {samples!r} is not a whole number, 1 or more")
        if not isinstance(bench, list | tuple):
            raise ConfigError(f"Proposers: bench = {bench!r} is not a list", hint="pass a list of models")
        self.layers = tuple(as_layer(layer) for layer in layers)
        # After the proposers, so that their addresses come after those.
        self.bench = tuple(as_layer(layer) for layer in bench)
        self.samples = samples
        self.settings = settings_from(
            "Proposers",
            quorum=quorum,
            minimum=minimum,
            grace=grace,
            deadline=deadline,
            max_tokens=max_tokens,
            **settings,
        )
        self._measure()

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Run all at once and return what came in time."""
        timeout = share(run, self.settings.deadline)
        if self._single:
            units = [
                run(layer, prompt, references, at=at, role="proposer") for at, layer in enumerate(self.layers)
            ]
        else:
            units = [
                run(
                    layer,
                    prompt,
                    references,
                    at=at,
                    role="proposer",
                    sample=sample if draws > 1 else None,
                    samples=draws,
                )
                for at, layer in enumerate(self.layers)
                for draws in (self._draws(layer),)
                for sample in range(draws)
            ]
        if not self.bench:
            return await side_by_side(units, run, timeout=timeout)
        bench = [
            partial(run, layer, prompt, references, at=at, role="proposer")
            for at, layer in enumerate(self.bench, len(self.layers))
        ]
        return await side_by_side(units, run, timeout=timeout, bench=bench)

    def shape(self, references: int | None) -> int | None:
        """Return the sum of what the layers give, times the samples.

        The bench has to fit as well, but adds nothing.
        """
        for layer in self.bench:
            layer.shape(references)
        total = 0
        for layer in self.layers:
            given = layer.shape(references)
            if given is None:
                return None
            total += given * self.samples
        return total

    def planned(self) -> tuple[Layer, ...]:
        """Return the proposers: nobody plans with the bench."""
        return self.layers

    def plan(self, references: int | None = 0) -> Plan:
        """Return the sum of the calls, and the steps of the longest."""
        plans = [layer.plan(references) for layer in self.layers]
        return Plan(sum(plan.calls for plan in plans) * self.samples, max(plan.steps for plan in plans))

    def options(self) -> dict[str, Any]:
        """Return the samples, if several, and the settings."""
        samples = {"samples": self.samples} if self.samples != 1 else {}
        return samples | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy in which one proposer is another."""
        clone = super().with_child(place, layer)
        if isinstance(clone, Proposers):
            clone._measure()  # noqa: SLF001 - one of its own kind
        return clone

    def to_config(self) -> Any:
        """Return `{"propose": […]}` with the bench and the settings."""
        samples = {"samples": self.samples} if self.samples != 1 else {}
        team = [layer.to_config() for layer in self.layers]
        return {"propose": team, **self.bench_config(), **samples, **self.settings.to_config()}

    def bench_config(self) -> dict[str, Any]:
        """Return `{"bench": […]}`, or nothing where nobody sits on it."""
        return {"bench": [layer.to_config() for layer in self.bench]} if self.bench else {}

    def _rows(self) -> Iterator[str]:
        yield from rows(self.layers)
        yield from rows(self.bench, first=len(self.layers), label="bench: ")

    def _measure(self) -> None:
        for layer in self.bench:
            if isinstance(layer, Agent) and layer.samples != 1:
                raise ConfigError(
                    f"Proposers: {layer.model} on the bench has samples = {layer.samples}",
                    hint="it stands in for one response; name it several times",
                )
        width = sum(self._draws(layer) for layer in self.layers)
        for name, value in (("quorum", self.settings.quorum), ("minimum", self.settings.minimum)):
            if value is not None and value > width:
                raise ConfigError(f"Proposers: {name} = {value} of only {width} proposers")
        self._single = width == len(self.layers)
        check_payable("Proposers", self)

    def _draws(self, layer: Layer) -> int:
        return self.samples * (layer.samples if isinstance(layer, Agent) else 1)
