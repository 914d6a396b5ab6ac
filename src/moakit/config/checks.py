"""Checking a table of the configuration against its schema, with errors that name the path and the remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from moakit.errors import ConfigError, nearest

S = TypeVar("S", bound=msgspec.Struct)

DEEPEST = 100
"""Tables inside tables: what walks through a configuration must not run out of stack."""

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<at>[^`]*)`)?$", re.DOTALL)
_VARIABLE = re.compile(r"\$(?P<plain>\$\{)|\$\{(?P<name>\w+)\}|\$\{[^}]*\}?", re.ASCII)


def at(path: str, key: str) -> str:
    """Return the path of a key in the table at a path; the whole configuration's is empty."""
    return f"{path}.{key}" if path else key


def check_nesting(data: object) -> None:
    """Raise `ConfigError` for data that nests deeper than anyone writes by hand."""
    level = [data] if isinstance(data, Mapping | list) else []
    for _ in range(DEEPEST):
        inside = (
            item for value in level for item in (value.values() if isinstance(value, Mapping) else value)
        )
        level = [item for item in inside if isinstance(item, Mapping | list)]
        if not level:
            return
    raise ConfigError(f"the configuration nests deeper than {DEEPEST} levels")


def checked(table: object, kind: type[S], path: str) -> S:
    """Return a table as its struct; raises `ConfigError` for an unknown key or a value of another type."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path or 'the file'} is not a table")
    if table:
        known_keys(table, kind.__struct_fields__, path)
    for key, value in table.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{at(path, key)}: expected a finite number, got {value}")
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        match = _AT.match(str(error))
        inside = ((match and match["at"]) or "$").removeprefix("$").lstrip(".")
        what = match["what"] if match else str(error)
        where = at(path, inside) if inside else path or "the configuration"
        raise ConfigError(f"{where}: {_plain(what)}") from error


def known_keys(table: Mapping[str, Any], known: Iterable[str], path: str) -> None:
    """Raise `ConfigError` for the first key that is not known, with the nearest that is."""
    names = tuple(known)
    if not table:
        raise ConfigError(f"{path or 'the table'} is empty", hint=f"known keys: {', '.join(sorted(names))}")
    for key in table:
        if key not in names:
            near = nearest(key, names)
            hint = f"did you mean {near!r}?" if near else f"known keys: {', '.join(sorted(names))}"
            raise ConfigError(f"unknown key {at(path, key)}", hint=hint)


def interpolated(value: Any, environ: Mapping[str, str], path: str) -> Any:
    """Return a value with every `${VARIABLE}` filled in; an unset or empty one is a `ConfigError`.

    `$${` stands for a plain `${`.
    """
    if isinstance(value, str):

        def fill(match: re.Match[str]) -> str:
            name = match["name"]
            if match["plain"]:
                return "${"
            if not name:
                raise ConfigError(
                    f"{path}: {match[0]} is not a variable", hint="write ${NAME}, or $${ for a plain ${"
                )
            found = environ.get(name, "")
            if not found:
                state = "empty" if name in environ else "not set"
                raise ConfigError(
                    f"{path}: ${{{name}}} is {state}", hint=f"set {name} in the environment or in .env"
                )
            return found

        return _VARIABLE.sub(fill, value)
    if isinstance(value, Mapping):
        return {key: interpolated(item, environ, at(path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, environ, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def _plain(text: str) -> str:
    text = re.sub(r"Expected `([^`]*)`", lambda match: f"expected {match[1].replace(' | null', '')}", text)
    text = re.sub(r"got `([^`]*)`", r"got \1", text)
    return text[0].lower() + text[1:] if text else text
