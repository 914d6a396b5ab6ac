"""Which model answers a background task: one small call, never the ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from moakit.config.build import agents
from moakit.layers import Agent, Layer, Sequential
from moakit.models import prices
from moakit.observe.openwebui import tail_of
from moakit.server.openwebui.client import MERGE
from moakit.types import Usage

if TYPE_CHECKING:
    from moakit.config import Config

_TYPICAL = Usage(1000, 100, 1100)
"""What a title or a list of tags takes, to compare prices by."""


def model_for(task: str, ensemble: Layer, config: Config) -> Layer:
    """Return what answers a task, under the ensemble's own settings.

    The merge button gets the aggregator as it is; other tasks `server.task_model`, else the cheapest member,
    else, when a price is unknown, the aggregator: the model alone, without the role it plays in the ensemble.
    """
    tail = tail_of(ensemble)
    if tail is None:
        return ensemble
    settings = ensemble.settings.given()
    if task == MERGE:
        return Sequential(tail.with_options(samples=1), **settings)
    if config.server.task_model is not None:
        return config.agent(config.server.task_model, "server.task_model")
    member = _cheapest(list(agents(ensemble))) or tail
    return Sequential(Agent(member.bound, timeout=member.timeout, extra=member.extra), **settings)


def _cheapest(members: Sequence[Agent]) -> Agent | None:
    costs = [_cost(agent) for agent in members]
    known = [cost for cost in costs if cost is not None]
    return members[costs.index(min(known))] if known and len(known) == len(members) else None


def _cost(agent: Agent) -> float | None:
    endpoint = agent.bound.endpoint
    return 0.0 if endpoint is None else prices.cost(endpoint, agent.model.partition("/")[2], _TYPICAL)
