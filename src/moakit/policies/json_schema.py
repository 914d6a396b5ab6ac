"""Whether a value fits a JSON schema, as far as a request for structured output uses one.

Checked are `type`, `enum`, `const`, `required`, `properties`, `additionalProperties`, `items`, `minItems`,
`maxItems`, `minLength`, `maxLength`, `minimum`, `maximum`, `anyOf`, `oneOf`, `allOf` and `$ref` inside the
schema. Every other keyword is passed over, `pattern` for one: some patterns take for ever on some texts, and
a client writes both. A schema that takes more than `STEPS` comparisons is not checked to its end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

STEPS = 20_000
DEEPEST = 100
"""How deep a value and the schemas inside schemas are followed."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
LIMIT = "{limit}"
"""What stands for the number in the words below."""
_LIMITS: Mapping[str, tuple[type | tuple[type, ...], Callable[[Any], Any], str]] = {
    "minItems": (list, len, "fewer than {limit} items"),
    "maxItems": (list, len, "more than {limit} items"),
    "minLength": (str, len, "shorter than {limit} characters"),
    "maxLength": (str, len, "longer than {limit} characters"),
    "minimum": ((int, float), lambda value: value, "less than {limit}"),
    "maximum": ((int, float), lambda value: value, "more than {limit}"),
}


class _Enough(Exception):
    """The schema takes too many steps."""


def read_json(text: str) -> Any:
    """Return the value that a text is, a fence of Markdown around it left out; raises `ValueError`."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        text = text.partition("\n")[2].removesuffix("```")
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def fault(value: Any, schema: Any) -> str | None:
    """Return where a value does not fit a schema and why, None where it fits."""
    try:
        return _Check(schema).fault(value, schema, "$", 0)
    except _Enough:
        return None


class _Check:
    """One walk through a value along a schema."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def fault(self, value: Any, schema: Any, at: str, depth: int) -> str | None:
        self._steps += 1
        if self._steps > STEPS or depth > DEEPEST:
            raise _Enough
        if schema is False:
            return f"{at} is not allowed"
        if not isinstance(schema, Mapping):
            return None
        if isinstance(schema.get("$ref"), str):
            found = self.fault(value, self._referred(schema["$ref"]), at, depth + 1)
            if found:
                return found
        return (
            _fault_of_kind(value, schema, at)
            or _fault_of_size(value, schema, at)
            or self._fault_inside(value, schema, at, depth)
            or self._fault_of_choice(value, schema, at, depth)
        )

    def _fault_inside(self, value: Any, schema: Mapping[str, Any], at: str, depth: int) -> str | None:
        if isinstance(value, list) and "items" in schema:
            faults = (
                self.fault(item, schema["items"], f"{at}[{place}]", depth + 1)
                for place, item in enumerate(value)
            )
            return next(filter(None, faults), None)
        if not isinstance(value, dict):
            return None
        given = schema.get("properties")
        properties: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        required = schema.get("required")
        for key in required if isinstance(required, list) else ():
            if isinstance(key, str) and key not in value:
                return f"{at}.{key} is missing"
        others = schema.get("additionalProperties", True)
        for key, item in value.items():
            inner = properties.get(key, others)
            if found := self.fault(item, inner, f"{at}.{key}", depth + 1):
                return found
        return None

    def _fault_of_choice(self, value: Any, schema: Mapping[str, Any], at: str, depth: int) -> str | None:
        for word in ("allOf", "anyOf", "oneOf"):
            choices = schema.get(word)
            if not isinstance(choices, list) or not choices:
                continue
            faults = [self.fault(value, choice, at, depth + 1) for choice in choices]
            fitting = faults.count(None)
            if word == "allOf" and fitting < len(faults):
                return next(filter(None, faults))
            if not fitting:
                return f"{at} is none of what is allowed: " + "; ".join(filter(None, faults))
            if word == "oneOf" and fitting > 1:
                return f"{at} is more than one of what is allowed"
        return None

    def _referred(self, pointer: str) -> Any:
        """Return the schema that a pointer names; True, which anything fits, where there is none."""
        found = self._root
        if not pointer.startswith("#"):
            return True
        for step in filter(None, pointer[1:].split("/")):
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                return True
            found = found[name]
        return found


def _fault_of_kind(value: Any, schema: Mapping[str, Any], at: str) -> str | None:
    kinds = schema.get("type")
    named = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    known = [kind for kind in named if isinstance(kind, str) and kind in _TYPES]
    if known and len(known) == len(named) and not any(_TYPES[kind](value) for kind in known):
        return f"{at} is {_short(value)}, not {' or '.join(known)}"
    allowed = schema.get("enum")
    if isinstance(allowed, list) and not any(_same(value, one) for one in allowed):
        return f"{at} is {_short(value)}, not one of {_short(allowed, 200)}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{at} is {_short(value)}, not {_short(schema['const'])}"
    return None


def _fault_of_size(value: Any, schema: Mapping[str, Any], at: str) -> str | None:
    for word, (kind, measure, what) in _LIMITS.items():
        limit = schema.get(word)
        if not _is_number(limit) or not isinstance(value, kind) or isinstance(value, bool):
            continue
        size = measure(value)
        if size < limit if word.startswith("min") else size > limit:
            return f"{at} is {what.replace(LIMIT, str(limit))}"
    return None


def _same(one: Any, other: Any) -> bool:
    # In Python True is 1; in JSON it is not.
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _short(value: Any, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 1] + "…"


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
