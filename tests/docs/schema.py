"""The little of JSON schema that our schemas in docs/ use, so that they can be tried on real values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

KINDS: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
KNOWN = frozenset(
    [
        *("$schema", "$defs", "$ref", "title", "description", "default", "type", "enum", "const", "anyOf"),
        *("properties", "required", "additionalProperties", "items", "minItems", "maxItems", "not"),
        *("pattern", "minimum", "maximum", "exclusiveMinimum"),
    ]
)


def violations(value: Any, schema: dict[str, Any]) -> list[str]:
    """Return where a value departs from a schema."""
    return list(_violations(value, schema, schema, "$"))


def _violations(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    assert schema.keys() <= KNOWN, f"{path}: the schema has {schema.keys() - KNOWN}"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from _violations(value, root["$defs"][name], root, path)
    if "anyOf" in schema and all(list(_violations(value, one, root, path)) for one in schema["anyOf"]):
        yield f"{path}: {value!r} is none of what it may be"
    if "not" in schema and not list(_violations(value, schema["not"], root, path)):
        yield f"{path}: {value!r} is what it must not be"
    if "const" in schema and value != schema["const"]:
        yield f"{path}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{path}: {value!r} is not of type {' or '.join(kinds)}"
        return
    if not _within(value, schema):
        yield f"{path}: {value!r} is out of bounds"
    if isinstance(value, dict):
        yield from _object(value, schema, root, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _violations(item, schema.get("items", {}), root, f"{path}[{index}]")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _within(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, list):
        return bool(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        return bool(low <= value <= high and value > schema.get("exclusiveMinimum", value - 1))
    return True


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    yield from (f"{path}.{key} is missing" for key in schema.get("required", ()) if key not in value)
    for key, item in value.items():
        if key in known:
            yield from _violations(item, known[key], root, f"{path}.{key}")
        elif others is False:
            yield f"{path}.{key} is unknown"
        elif others is not True:
            yield from _violations(item, others, root, f"{path}.{key}")
