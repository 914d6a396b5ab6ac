"""What a request changes of an ensemble: on configured providers only, and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moakit.config.build import agents
from moakit.config.changes import changed
from moakit.errors import InvalidRequest, UserError

if TYPE_CHECKING:
    from moakit.config import Config
    from moakit.layers import Layer

MOST_CALLS = 128
"""The most calls an overridden ensemble may make in one run."""
LAX = 16
"""How far above that the estimate may lie that is made before anything is built."""
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
    if _most(changes) > LAX * MOST_CALLS:
        raise InvalidRequest(f"this would make far more calls than the {MOST_CALLS} allowed", param="moa")
    try:
        layer = config.agent(changed(ensemble.to_config(), changes), "moa")
    except UserError as error:
        raise InvalidRequest(error.message, param="moa", hint=error.hint) from error
    for agent in agents(layer):
        if not config.configured(agent.model):
            provider = agent.model.partition("/")[0]
            raise InvalidRequest(f"{provider!r} is not a provider of this server", param="moa")
    calls = layer.plan().calls
    if calls > MOST_CALLS:
        raise InvalidRequest(f"this would make {calls} calls; {MOST_CALLS} are allowed", param="moa")
    return layer


def _refuse(value: Any, path: str) -> None:
    """Raise for what a request never sets: addresses, keys, and what a layer of one's own is given."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in NEVER or key == "layer":
                raise InvalidRequest(f"a request does not set {path}.{key}", param=f"{path}.{key}")
            _refuse(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse(item, f"{path}[{index}]")


def _most(value: Any) -> int:
    """Return a number no smaller than the calls this makes, without building it."""
    if isinstance(value, Mapping):
        inside = sum(_most(item) for key, item in value.items() if key not in ("extra", "prompt"))
        most = max(1, inside)
        for key in ("layers", "samples"):
            times = value.get(key)
            most *= max(1, times) if isinstance(times, int) else 1
        return most
    if isinstance(value, list):
        return sum(map(_most, value))
    return int(isinstance(value, str))
