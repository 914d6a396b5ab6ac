"""The keys of the server, each with what holds for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moakit.config.checks import checked
from moakit.config.schema import KeyBudgetConfig, KeyConfig
from moakit.errors import ConfigError
from moakit.layers import Layer
from moakit.layers.payable import without_price
from moakit.policies.budget import Budget, Limits, unpriced


def keys_from(entries: Iterable[str | Mapping[str, Any]]) -> tuple[KeyConfig, ...]:
    """Return the entries of `server.keys` as tables; raises `ConfigError` with the path of what is wrong."""
    keys: list[KeyConfig] = []
    for index, entry in enumerate(entries):
        path = f"server.keys[{index}]"
        given = KeyConfig(key=entry) if isinstance(entry, str) else checked(entry, KeyConfig, path)
        if not given.key or given.key != given.key.strip():
            raise ConfigError(f"{path} is empty, or has spaces around it")
        if given.name and any(given.name == other.name for other in keys):
            raise ConfigError(f"{path}.name: there is another key named {given.name!r}")
        _limits(given, path)
        keys.append(given)
    return tuple(keys)


def budget_of(key: KeyConfig) -> Budget | None:
    """Return a new budget for the requests with a key, None when they have none."""
    limits = _limits(key, "the key")
    if limits is None:
        return None
    name = f"the budget of key {key.name!r}" if key.name else "the budget of this key"
    return Budget(Limits(limits.tokens, limits.dollars), name=name, per=limits.per, shared=True)


def check_budgets(keys: Iterable[KeyConfig], ensembles: Mapping[str, Layer]) -> None:
    """Raise `ConfigError` when a key's budget is in dollars, and an ensemble has a model without a price."""
    for index, key in enumerate(keys):
        limits = _limits(key, "the key")
        if limits is None or limits.dollars is None:
            continue
        for layer in ensembles.values():
            model = without_price(layer)
            if model is not None:
                raise unpriced(f"server.keys[{index}].budget is", model)


def _limits(key: KeyConfig, path: str) -> KeyBudgetConfig | None:
    if key.budget is None:
        return None
    table = key.budget if isinstance(key.budget, Mapping) else {"dollars": key.budget}
    limits = checked(table, KeyBudgetConfig, f"{path}.budget")
    if limits.tokens is None and limits.dollars is None:
        raise ConfigError(f"{path}.budget has neither tokens nor dollars")
    return limits
