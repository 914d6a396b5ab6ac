"""Whether a budget in dollars can be kept: every model under it needs a known price."""

from __future__ import annotations

from moakit.layers.agent import Agent
from moakit.layers.base import Layer
from moakit.models.estimates import has_price
from moakit.policies.budget import limits_from, unpriced


def check_payable(owner: str, layer: Layer) -> None:
    """Raise `ConfigError` for a model without a known price, if the layer's budget is in dollars."""
    budget = layer.settings.budget
    if budget is None or limits_from(owner, budget).dollars is None:
        return
    model = without_price(layer)
    if model is not None:
        raise unpriced(f"{owner}: budget is", model)


def without_price(layer: Layer) -> str | None:
    """Return the first model inside, or standing in for one, whose price is not known."""
    for _, inner in layer.named_layers():
        if isinstance(inner, Agent):
            if not has_price(inner.bound):
                return inner.model
            for agent in inner.fallback:
                if model := without_price(agent):
                    return model
    return None
