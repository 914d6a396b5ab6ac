"""Writing configuration data as `moa.toml`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(config: Mapping[str, Any]) -> str:
    """Return a configuration as the text of a TOML file: providers and ensembles as tables."""
    lines = [f"{key} = {value_of(config[key])}" for key in config if not isinstance(config[key], Mapping)]
    for section in ("providers", "ensembles"):
        tables = config.get(section, {})
        # An ensemble may be a model's name alone.
        plain = {name: value for name, value in tables.items() if not isinstance(value, Mapping)}
        lines += ["", *_table(section, plain)] if plain else []
        for name, table in tables.items():
            lines += ["", *_table(f"{section}.{_key(name)}", table)] if name not in plain else []
    if config.get("server"):
        lines += ["", *_table("server", config["server"])]
    return "\n".join(lines).strip() + "\n"


def value_of(value: Any) -> str:
    """Return a value as TOML: JSON's strings and numbers are TOML's too, tables are written inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {value_of(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        items = list(map(value_of, value))
        inline = f"[{', '.join(items)}]"
        return inline if len(inline) <= 90 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    # What JSON does not mind and TOML does.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]"]
    nested: list[str] = []
    for key, value in table.items():
        if key == "layers" and value and isinstance(value, list) and all(map(_is_table, value)):
            for layer in value:
                inside = (f"{_key(entry)} = {value_of(item)}" for entry, item in layer.items())
                nested += ["", f"[[{name}.layers]]", *inside]
        else:
            lines.append(f"{_key(key)} = {value_of(value)}")
    return lines + nested


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else value_of(key)
