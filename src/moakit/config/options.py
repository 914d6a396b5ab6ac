"""What a table gives beyond its defaults, as keyword arguments."""

from __future__ import annotations

from typing import Any

import msgspec

from moakit.config.checks import at, known_keys
from moakit.prompts import Template


def options_of(
    given: msgspec.Struct, path: str, *without: str, template: Template | None = None
) -> dict[str, Any]:
    """Return the fields not at their default; `template` is what a `prompt` given as a table changes."""
    options: dict[str, Any] = {}
    defaults = dict(zip(reversed(given.__struct_fields__), reversed(given.__struct_defaults__), strict=False))
    for name in given.__struct_fields__:
        value = getattr(given, name)
        if name not in without and value != defaults.get(name):
            options[name] = value
    prompt = options.get("prompt")
    if isinstance(prompt, dict):
        if prompt:
            known_keys(prompt, Template.__struct_fields__, at(path, "prompt"))
        options["prompt"] = msgspec.structs.replace(template or Template(), **prompt)
    return options
