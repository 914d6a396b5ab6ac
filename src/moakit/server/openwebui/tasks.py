"""Which model answers a background task: one small call, never the ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moakit.config.build import agents
from moakit.layers import Agent, Layer
from moakit.models import prices
from moakit.server.openwebui.client import MERGE
from moakit.server.openwebui.dialect import tail_of
from moakit.types import Usage

if TYPE_CHECKING:
    from moakit.config import Config

_TYPICAL = Usage(1000, 100, 1100)
"""What a title or a list of tags takes, to compare prices by."""


def model_for(task: str, ensemble: Layer, config: Config) -> Layer:
    """Return the layer that answers a task.

    The merge button gets the aggregator alone; other tasks `server.task_model`, else the cheapest member,
    else, when a price is unknown, the aggregator.
    """
    tail = tail_of(ensemble) or ensemble
    if task == MERGE:
        return tail
    if config.server.task_model is not None:
        return config.agent(config.server.task_model, "server.task_model")
    members = list(agents(ensemble))
    costs = [_cost(agent) for agent in members]
    known = [cost for cost in costs if cost is not None]
    if not members or len(known) < len(members):
        return tail
    return members[costs.index(min(known))]


def _cost(agent: Agent) -> float | None:
    endpoint = agent.bound.endpoint
    return 0.0 if endpoint is None else prices.cost(endpoint, agent.model.partition("/")[2], _TYPICAL)
