"""Writing configuration data as `moa.toml`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(config: Mapping[str, Any]) -> str:
    """Return a configuration as the text of a TOML file: providers and ensembles as tables."""
    lines = [f"{key} = {value_of(config[key])}" for key in config if not isinstance(config[key], Mapping)]
    for section in ("providers", "ensembles"):
        for name, table in config.get(section, {}).items():
            lines += ["", *_table(f"{section}.{_key(name)}", table)]
    if config.get("server"):
        lines += ["", *_table("server", config["server"])]
    return "\n".join(lines).strip() + "\n"


def value_of(value: Any) -> str:
    """Return a value as TOML: JSON's strings and numbers are TOML's too, tables are written inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {value_of(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        inline = "[" + ", ".join(map(value_of, value)) + "]"
        if len(inline) <= 90:
            return inline
        return "[\n" + "".join(f"    {value_of(item)},\n" for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]"]
    nested: list[str] = []
    for key, value in table.items():
        if key == "layers" and isinstance(value, list):
            for layer in value:
                nested += [
                    "",
                    f"[[{name}.layers]]",
                    *(f"{_key(k)} = {value_of(v)}" for k, v in layer.items()),
                ]
        else:
            lines.append(f"{_key(key)} = {value_of(value)}")
    return lines + nested


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
