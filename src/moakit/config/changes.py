"""Changing an ensemble: another team, another depth, other settings, over what its configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moakit.errors import ConfigError

TEAM = ("proposers", "aggregator")


def changed(base: Any, changes: Mapping[str, Any]) -> Any:
    """Return a layer's configuration with changes over it.

    The short form takes any of its own keys; anything else takes settings, or proposers with an aggregator,
    which replace its layers. Raises `ConfigError` for one of the two, or for a depth it does not have.
    """
    if isinstance(base, Mapping) and "proposers" in base:
        return {**base, **changes}
    long = isinstance(base, Mapping) and isinstance(base.get("layers"), list)
    if all(key in changes for key in TEAM):
        kept = {key: value for key, value in base.items() if key != "layers"} if long else {}
        return {**kept, **changes}
    alone = [key for key in (*TEAM, "layers", "samples", "bench", "fallback") if key in changes]
    if alone:
        raise ConfigError(
            f"the ensemble is not of the short form, so it takes no {alone[0]}",
            hint="name proposers and an aggregator together",
        )
    return {**(base if long else {"layers": [base]}), **changes}
