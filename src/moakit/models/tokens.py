"""Estimating how many tokens a conversation has, without a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moakit.types import Prompt, text_of

BYTES_PER_TOKEN = 4
IMAGE = 800
"""Tokens counted for an image part, whatever its size."""
ANSWER = 500
"""Tokens expected of an answer whose length is not limited."""
_SHOWN = frozenset({"tools", "functions", "response_format"})
"""Parameters that a model is shown, as a part of its prompt."""


def estimate(text: str) -> int:
    """Return about how many tokens a text has: UTF-8 bytes / 4, so about 0.75 for a Chinese character."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return (size + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


def estimate_prompt(prompt: Prompt) -> int:
    """Return about how many tokens a conversation has, with 4 for each message's frame."""
    total = 0
    for message in prompt:
        total += 4 + estimate(text_of(message))
        content = message.get("content")
        if isinstance(content, list):
            total += IMAGE * sum(
                isinstance(part, dict) and part.get("type") == "image_url" for part in content
            )
        if calls := message.get("tool_calls"):
            total += estimate(str(calls))
    return total


def estimate_tools(parameters: Mapping[str, Any]) -> int:
    """Return about how many tokens the tools and the format of a request add to its prompt."""
    if _SHOWN.isdisjoint(parameters):
        return 0
    try:
        given = [parameters[name] for name in _SHOWN & parameters.keys()]
        return len(msgspec.json.encode(given)) // BYTES_PER_TOKEN
    except (TypeError, ValueError, OverflowError, RecursionError):
        # What cannot be written is refused when it is sent.
        return 0
