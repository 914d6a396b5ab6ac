"""What a request changes of an ensemble: on configured providers only, and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moakit.config.build import agents
from moakit.config.changes import changed
from moakit.errors import InvalidRequest, UserError
from moakit.policies.budget import Limits, limits_from
from moakit.policies.settings import DEADLINE
from moakit.server.bounds import check_calls, check_changes
from moakit.server.fusion import as_config

if TYPE_CHECKING:
    from moakit.config import Config
    from moakit.layers import Layer

NEVER = frozenset(
    [
        "api_base",
        "api_key",
        "base_url",
        "default_headers",
        "extra_body",
        "extra_headers",
        "extra_query",
        "headers",
        "proxies",
        "proxy",
    ]
)
"""What no request sets, here or, passed on, at a gateway behind us: addresses, keys, headers."""


def overridden(ensemble: Layer, config: Config, changes: Mapping[str, Any]) -> Layer:
    """Return the ensemble with a request's changes; raises `InvalidRequest`."""
    _refuse(changes, "moa")
    # What the ensemble does anyway is not what the request asks for.
    most_calls = max(config.server.max_calls, ensemble.plan().calls)
    most_seconds = max(config.server.max_deadline, ensemble.settings.deadline or DEADLINE)
    check_changes(changes, most_calls=most_calls, most_seconds=most_seconds)
    try:
        if "budget" in changes:
            changes = {**changes, "budget": _lowered(ensemble.settings.budget, changes["budget"])}
        data = changed(ensemble.to_config(), changes)
    except InvalidRequest:
        raise
    except UserError as error:
        raise InvalidRequest(error.message, param="moa", hint=error.hint) from error
    return _built(data, config, most_calls, "moa")


def fused(ensemble: Layer, config: Config, plugin: Mapping[str, Any]) -> Layer:
    """Return the ensemble that a `fusion` plugin asks for in place of another; raises `InvalidRequest`."""
    most_calls = max(config.server.max_calls, ensemble.plan().calls)
    models = plugin.get("analysis_models")
    if isinstance(models, list):
        check_calls(len(models) + 2, most_calls)
    return _built(as_config(plugin, ensemble), config, most_calls, "plugins")


def _built(data: Any, config: Config, most_calls: int, param: str) -> Layer:
    """Return the layer of a configuration that a request gave, of this server's providers only."""
    try:
        layer = config.agent(data, param)
    except InvalidRequest:
        raise
    except UserError as error:
        raise InvalidRequest(error.message, param=param, hint=error.hint) from error
    for agent in agents(layer):
        if not config.configured(agent.model):
            provider = agent.model.partition("/")[0]
            raise InvalidRequest(f"{provider!r} is not a provider of this server", param=param)
    check_calls(layer.plan().calls, most_calls)
    return layer


def _lowered(budget: Any, asked: Any) -> Any:
    """Return the budget a request asks for, as far as it is no higher; what it leaves out stays."""
    if budget is None:
        return asked
    have = limits_from("moa", budget)
    wanted = have if asked is None else limits_from("moa", asked)
    kept: dict[str, float] = {}
    for unit in Limits._fields:
        most, value = getattr(have, unit), getattr(wanted, unit)
        if most is not None and value is not None and value > most:
            raise InvalidRequest(f"budget: {value:g} {unit} are more than the {most:g} of the ensemble",
                                 param="moa.budget", hint="a request may lower it")  # fmt: skip
        kept |= {} if most is value is None else {unit: most if value is None else value}
    return kept


def _refuse(value: Any, path: str) -> None:
    """Raise for what a request never sets: addresses, keys, patterns, what a layer of one's own is given."""
    if isinstance(value, dict):
        for key, item in value.items():
            # Some patterns take for ever on some texts, and a request may choose both.
            pattern = key == "vote" and isinstance(item, dict)
            if key in NEVER or key == "layer" or pattern:
                raise InvalidRequest(f"a request does not set {path}.{key}", param=f"{path}.{key}")
            _refuse(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse(item, f"{path}[{index}]")
