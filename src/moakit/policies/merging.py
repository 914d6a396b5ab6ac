"""Merging values of the same form field by field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

WORDS = 4
"""From so many words on a string is a text, of which the longest is taken; below it is a name or a code."""


def merged(values: Sequence[Any], at: str = "$") -> Any:
    """Return one value of several; raises `ValueError` where they differ and no rule decides.

    What more than half say is taken. Else of objects every field that more than half have is merged, of lists
    every item is taken once, in the order of the values, and of texts the longest. Numbers, names and other
    short strings without a majority, and values of different kinds, cannot be merged.
    """
    if all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        having = {key: [value[key] for value in values if key in value] for key in keys}
        return {
            key: merged(found, f"{at}.{key}") for key, found in having.items() if len(found) * 2 > len(values)
        }
    if all(isinstance(value, list) for value in values):
        items: dict[str, Any] = {}
        for value in values:
            for item in value:
                items.setdefault(_key(item), item)
        return list(items.values())
    counted = Counter(map(_key, values))
    most, votes = counted.most_common(1)[0]
    if votes * 2 > len(values):
        return next(value for value in values if _key(value) == most)
    if all(isinstance(value, str) and len(value.split()) >= WORDS for value in values):
        return max(values, key=len)
    raise ValueError(f"no majority for {at}")


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
