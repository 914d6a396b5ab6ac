"""The keys that a server's clients send, each with what holds for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from moakit.config.checks import checked
from moakit.config.schema import KeyConfig
from moakit.errors import ConfigError


def keys_from(given: Sequence[Any], path: str) -> list[KeyConfig]:
    """Return the keys, each with a name; raises `ConfigError` for one that is empty or there twice."""
    keys: list[KeyConfig] = []
    for index, entry in enumerate(given):
        at = f"{path}[{index}]"
        if not isinstance(entry, str | dict):
            raise ConfigError(f"{at}: expected a key or a table")
        key = checked({"key": entry} if isinstance(entry, str) else entry, KeyConfig, at)
        if not key.key or key.key != key.key.strip():
            raise ConfigError(f"{at} is empty, or has spaces around it")
        named = msgspec.structs.replace(key, name=key.name or f"keys[{index}]")
        for other in keys:
            if other.key == named.key:
                raise ConfigError(f"{at} is the same key as {other.name}")
            if other.name == named.name:
                raise ConfigError(f"{at}.name: another key is called {named.name!r} already")
        keys.append(named)
    return keys
