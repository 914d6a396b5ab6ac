"""The budgets of the server's keys, made from what their tables say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from moakit.config.checks import checked
from moakit.config.schema import KeyBudgetConfig, KeyConfig
from moakit.errors import ConfigError
from moakit.layers import Layer
from moakit.layers.payable import without_price
from moakit.policies.budget import Budget, Limits, unpriced


def key_budgets(keys: Iterable[KeyConfig]) -> dict[str, Budget]:
    """Return a new budget for each key that has one, by the key's name."""
    return {
        key.name: Budget(
            Limits(limits.tokens, limits.dollars),
            name=f"the budget of the key {key.name!r}",
            per=limits.per,
            shared=True,
        )
        for key in keys
        if (limits := _limits(key, key.name)) is not None
    }


def check_key_budgets(keys: Iterable[KeyConfig], ensembles: Iterable[Layer]) -> None:
    """Raise `ConfigError` for a budget that limits nothing, or is in dollars where a price is not known."""
    layers = list(ensembles)
    for index, key in enumerate(keys):
        path = f"server.keys[{index}]"
        limits = _limits(key, path)
        if limits is None or limits.dollars is None:
            continue
        for layer in layers:
            model = without_price(layer)
            if model is not None:
                raise unpriced(f"{path}: budget is", model)


def _limits(key: KeyConfig, path: str) -> KeyBudgetConfig | None:
    if key.budget is None:
        return None
    table = key.budget if isinstance(key.budget, Mapping) else {"dollars": key.budget}
    limits = checked(table, KeyBudgetConfig, f"{path}.budget")
    if limits.tokens is None and limits.dollars is None:
        raise ConfigError(f"{path}: budget has neither tokens nor dollars")
    return limits
