"""Ready-made compositions: the ensembles most people want."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from moakit.errors import ConfigError
from moakit.layers.agent import Agent, as_layer
from moakit.layers.aggregator import Aggregator
from moakit.layers.base import Layer
from moakit.layers.peer_review import PeerReview
from moakit.layers.proposers import Proposers
from moakit.layers.sequential import Sequential
from moakit.models.base import Model

DEEPEST = 1000
"""The most layers an ensemble is made of by their number alone."""
MANY = 1000
"""More responses than any chair reads."""


class MoA(Sequential):
    """Mixture of Agents (arXiv 2406.04692): layers of proposers, then an aggregator.

    `layers` is the depth with the aggregator: 2 is proposers, then aggregator; the paper's `rounds` is
    layers - 1. Calls are width x (layers - 1) + 1, in `layers` steps. `samples`, `max_tokens` and
    `bench` are the proposers', `fallback` is the aggregator's; the other settings (see `Settings`) hold for
    all.

    >>> ensemble = MoA(["demo/planner", "demo/skeptic"], "demo/editor", layers=3)
    >>> ensemble.summary().calls
    5
    """

    words: ClassVar[tuple[str, ...]] = (
        "proposers", "aggregator", "layers", "samples", "max_tokens", "bench", "fallback", "name",
        "description",
    )  # fmt: skip

    def __init__(
        self,
        proposers: Sequence[Layer | str | Model],
        aggregator: Layer | str | Model,
        *,
        layers: int = 2,
        samples: int = 1,
        max_tokens: int | None = None,
        bench: Sequence[Layer | str | Model] = (),
        fallback: str | Agent | Model | Sequence[str | Agent | Model] = (),
        name: str = "",
        description: str = "",
        **settings: Any,
    ) -> None:
        if isinstance(proposers, str):
            raise ConfigError("MoA: proposers is one string", hint="pass a list of models")
        single: object = proposers
        if isinstance(single, Layer):
            raise ConfigError(
                f"MoA: proposers is one layer, {type(single).__name__}",
                hint="pass a list, or put the layer into Sequential",
            )
        if isinstance(layers, int) and layers > DEEPEST:
            raise ConfigError(f"MoA: layers is more than {DEEPEST}")
        if not isinstance(layers, int) or layers < 2:
            raise ConfigError(
                f"MoA: layers = {layers!r} is not a whole number, 2 or more",
                hint="layers counts the aggregator: 2 is proposers, then aggregator",
            )
        # Quorum and minimum are checked against the width by the proposers, and inherited from the whole.
        own = {name: settings.pop(name) for name in ("quorum", "minimum", "grace") if name in settings}
        team = Proposers(*proposers, samples=samples, max_tokens=max_tokens, bench=bench, **own)
        if isinstance(aggregator, Aggregator):
            if fallback:
                raise ConfigError(
                    "MoA: the aggregator is an Aggregator already", hint="give the fallback to it"
                )
            lead = aggregator
        else:
            lead = Aggregator(as_layer(aggregator), fallback=fallback)
        super().__init__(*[team] * (layers - 1), lead, name=name, description=description, **settings)

    @property
    def proposers(self) -> Proposers:
        """The layer of proposers, which stands `layers` - 1 times."""
        team = self.layers[0]
        if not isinstance(team, Proposers):
            raise TypeError(f"{team!r} is not a layer of proposers")
        return team

    @property
    def aggregator(self) -> Aggregator:
        """The last layer."""
        lead = self.layers[-1]
        if not isinstance(lead, Aggregator):
            raise TypeError(f"{lead!r} is not an aggregator")
        return lead

    def to_config(self) -> Any:
        """Return the short form."""
        named = {key: value for key in ("name", "description") if (value := getattr(self, key))}
        lead = self.aggregator.to_config()
        return {
            **named,
            "proposers": [layer.to_config() for layer in self.proposers.layers],
            "aggregator": lead["aggregate"] if set(lead) == {"aggregate"} else lead,
            **({"layers": len(self.layers)} if len(self.layers) != 2 else {}),
            **self.proposers.bench_config(),
            **self.proposers.options(),
            **self.settings.to_config(),
        }


class SelfMoA(MoA):
    """Several samples of one model, merged by the same model or another (Self-MoA, arXiv 2502.00674).

    >>> SelfMoA("demo/planner", samples=4).summary().calls
    5
    """

    def __init__(
        self,
        model: str | Agent | Model,
        *,
        samples: int = 4,
        aggregator: Layer | str | Model | None = None,
        **settings: Any,
    ) -> None:
        agent = model if isinstance(model, Agent) else Agent(model)
        super().__init__([agent], agent if aggregator is None else aggregator, samples=samples, **settings)


class Council(Sequential):
    """Members answer, rank each other's answers without names, and a chair writes the answer (llm-council).

    That is `Proposers`, a `PeerReview` and an `Aggregator` that reads the responses as they were ranked, best
    first. The reviewers are the members, unless `reviewers` are given, which are agents; `keep` responses
    reach the chair, by default all. Calls are members x samples + reviewers + 1, in 3 steps. `samples`,
    `max_tokens` and `bench` are the members', `fallback` is the chair's; the other settings (see `Settings`)
    hold for all.

    >>> Council(["demo/planner", "demo/skeptic"], "demo/editor").summary().calls
    5
    """

    words: ClassVar[tuple[str, ...]] = (
        "members", "chair", "reviewers", "keep", "samples", "max_tokens", "bench", "fallback", "name",
        "description",
    )  # fmt: skip

    def __init__(
        self,
        members: Sequence[Layer | str | Model],
        chair: Layer | str | Model,
        *,
        reviewers: Sequence[Layer | str | Model] = (),
        keep: int | None = None,
        samples: int = 1,
        max_tokens: int | None = None,
        bench: Sequence[Layer | str | Model] = (),
        fallback: str | Agent | Model | Sequence[str | Agent | Model] = (),
        name: str = "",
        description: str = "",
        **settings: Any,
    ) -> None:
        if isinstance(members, str | Layer):
            raise ConfigError("Council: members is not a list", hint="pass a list of models")
        own = {name: settings.pop(name) for name in ("quorum", "minimum", "grace") if name in settings}
        team = Proposers(*members, samples=samples, max_tokens=max_tokens, bench=bench, **own)
        # By default a chair hears of all there may be.
        kept = (team.shape(0) or MANY) if keep is None else keep
        review = PeerReview(*(reviewers or map(_reviewer, team.layers)), keep=kept)
        if isinstance(chair, Aggregator):
            if fallback:
                raise ConfigError(
                    "Council: the chair is an Aggregator already", hint="give the fallback to it"
                )
            lead = chair
        else:
            lead = Aggregator(as_layer(chair), prompt="council", fallback=fallback)
        super().__init__(team, review, lead, name=name, description=description, **settings)
        self._given = {"reviewers": bool(reviewers), "keep": keep is not None}

    def to_config(self) -> Any:
        """Return the short form."""
        team, review, lead = self.layers
        if not isinstance(team, Proposers) or not isinstance(review, PeerReview):
            raise TypeError(f"{self!r} is not a council")
        named = {key: value for key in ("name", "description") if (value := getattr(self, key))}
        chair = lead.to_config()
        plain = set(chair) == {"aggregate", "prompt"} and chair["prompt"] == "council"
        ranked = review.to_config()
        return {
            **named,
            "members": [layer.to_config() for layer in team.layers],
            "chair": chair["aggregate"] if plain else chair,
            **({"reviewers": ranked["peer_review"]} if self._given["reviewers"] else {}),
            **({"keep": review.keep} if self._given["keep"] else {}),
            **team.bench_config(),
            **team.options(),
            **self.settings.to_config(),
        }


def _reviewer(member: Layer) -> Layer:
    """Return a member as one who reviews: an agent, once."""
    if not isinstance(member, Agent):
        raise ConfigError(
            f"Council: {type(member).__name__} is a member that cannot review",
            hint="give the agents that do as `reviewers`",
        )
    return member if member.samples == 1 else member.with_options(samples=1)
