"""The leaf layer: a model with its system prompt and sampling."""

from __future__ import annotations

import math
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, ClassVar

from moakit.errors import ConfigError
from moakit.layers.base import Layer
from moakit.layers.exchange import exchange
from moakit.layers.side_by_side import share, side_by_side
from moakit.layers.structured import structured
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.models.resolve import find_model
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response

_SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "reasoning_effort")
_LENGTH = frozenset(["max_tokens", "max_completion_tokens"])
_RANGES: Mapping[str, tuple[Any, str, float | None]] = {
    "temperature": (int | float, "a number, 0 or more", 0),
    "top_p": (int | float, "a number, 0 or more", 0),
    "max_tokens": (int, "a whole number, 1 or more", 1),
    "seed": (int, "a whole number", None),
    "samples": (int, "a whole number, 1 or more", 1),
    "timeout": (int | float, "seconds, more than 0", math.ulp(0)),
}
"""What each setting must be: its type, in words, and its lowest value."""


class Agent(Layer):
    """A model plus its system prompt and sampling settings.

    With references it puts them into the prompt, without it just answers. `model` is `provider/model`, or an
    object that follows the `Model` protocol; `timeout` is in seconds; `samples` draws are made side by side,
    sample i of a seeded agent with seed + i; `fallback` are the agents that stand in when the model fails;
    `extra` is sent to the provider as it is. Raises `UnknownModel` for a provider that does not exist.

    One call for each sample, all in one step; as many responses as samples, whatever goes in.

    >>> Agent("demo/planner", temperature=0.2)
    Agent('demo/planner', temperature=0.2)
    """

    leaf: ClassVar[bool] = True

    def __init__(
        self,
        model: str | Model,
        *,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        samples: int = 1,
        timeout: float | None = None,
        fallback: str | Agent | Model | Sequence[str | Agent | Model] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        single: object = model
        if isinstance(single, Layer):
            raise ConfigError(
                f"Agent: the model is a layer already, {type(single).__name__}",
                hint="use it as it is; `with_options` changes an agent",
            )
        self.bound: Model = find_model(model) if isinstance(model, str) else model
        self.model: str = self.bound.name
        self.system = system
        self.temperature = temperature
        self.top_p = top_p
        self.max_tokens = max_tokens
        self.seed = seed
        self.reasoning_effort = reasoning_effort
        self.samples = samples
        self.timeout = timeout
        several = fallback if isinstance(fallback, list | tuple) else (fallback,)
        self.fallback: tuple[Agent, ...] = tuple(as_agent(one) for one in several)
        self.extra: Mapping[str, Any] = dict(extra or {})
        for name, (kind, wanted, low) in _RANGES.items():
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or (low is not None and value < low):
                raise ConfigError(f"agent {self.model}: {name} = {value!r} is not {wanted}")
        chosen = {name: value for name in _SAMPLING if (value := getattr(self, name)) is not None}
        self._parameters: Mapping[str, Any] = {**self.extra, **chosen}
        # A fallback may have fallbacks of its own, which come right after it.
        self._stand_ins: tuple[Agent, ...] = tuple(
            other for agent in self.fallback for other in (agent, *agent.stand_ins)
        )

    def forward(
        self, prompt: Prompt, references: References, run: Run
    ) -> Coroutine[Any, Any, tuple[Response, ...]]:
        """Ask the model, once for each sample; where it fails, its fallbacks, until one responds."""
        if self.samples != 1 and run.sample is None:
            timeout = share(run)
            scopes = [run.draw(sample, self.samples) for sample in range(self.samples)]
            draws = [self.forward(prompt, references, scope) for scope in scopes]
            return side_by_side(draws, run, timeout=timeout)
        if "response_format" in run.parameters and run.tail:
            return structured(self, prompt, references, run)
        return exchange(self, prompt, references, run)

    @property
    def stand_ins(self) -> tuple[Agent, ...]:
        """Its fallbacks and theirs, in the order they are asked."""
        return self._stand_ins

    def shape(self, references: int | None) -> int:
        """Return the number of samples, whatever goes in."""
        del references
        return self.samples

    def resumes(self) -> bool:
        """Return True: the model reads the result."""
        return True

    def children(self) -> tuple[Layer, ...]:
        """Return nothing: an agent is a leaf."""
        return ()

    def plan(self, references: int | None = 0) -> Plan:
        """Return one call for each sample, in one step."""
        del references
        return Plan(self.samples, 1)

    def options(self) -> dict[str, Any]:
        """Return the settings that were given."""
        names = ("system", *_SAMPLING, "timeout")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.samples != 1:
            given["samples"] = self.samples
        if self.fallback:
            given["fallback"] = [agent.to_config() for agent in self.fallback]
        if self.extra:
            given["extra"] = dict(self.extra)
        return given

    def with_options(self, **changed: Any) -> Agent:
        """Return a copy with some settings changed."""
        given = {**self.options(), "fallback": self.fallback, **changed}
        return type(self)(self.bound, **given)

    def __repr__(self) -> str:
        head = "".join(f", {name}={value!r}" for name, value in self.options().items())
        return f"{type(self).__name__}({self.model!r}{head})"

    def __hash__(self) -> int:
        return hash(self.model)

    def to_config(self) -> Any:
        """Return the model's name alone, or a mapping with the settings."""
        options = self.options()
        return {"model": self.model, **options} if options else self.model

    def sampling(self, run: Run) -> Mapping[str, Any]:
        """Return the parameters of a call in this run: the agent's own, and at the tail the request's."""
        parameters = self._parameters
        cap = run.settings.max_tokens
        if cap is not None and "max_tokens" not in parameters:
            parameters = {**parameters, "max_tokens": cap}
        if self.seed is not None and run.shift:
            parameters = {**parameters, "seed": self.seed + run.shift}
        asked = run.parameters
        if asked:
            if not asked.keys().isdisjoint(_LENGTH):
                # Two words for the same limit: a provider takes one of them.
                parameters = {name: value for name, value in parameters.items() if name not in _LENGTH}
            parameters = {**parameters, **asked}
        return parameters


def as_agent(agent: str | Agent | Model) -> Agent:
    """Return an agent for a name or a model."""
    return agent if isinstance(agent, Agent) else Agent(agent)


def as_layer(layer: Layer | str | Model, *, like: Layer | None = None) -> Layer:
    """Return a layer as it is, or an agent of this model.

    A name's provider is looked for among those of the ensemble it is `like`, then everywhere.
    """
    if isinstance(layer, Layer):
        return layer
    if not isinstance(layer, str):
        if hasattr(layer, "respond"):
            return Agent(layer)
        raise ConfigError(
            f"{layer!r} is not a layer",
            hint="pass a layer, an agent or a name such as groq/llama-3.1-8b-instant",
        )
    endpoints = {}
    for _, inner in like.named_layers() if like is not None else ():
        endpoint = inner.bound.endpoint if isinstance(inner, Agent) else None
        if endpoint is not None:
            endpoints[endpoint.name] = endpoint
    return Agent(find_model(layer, endpoints))
