"""Estimating how many tokens a conversation has, without a tokenizer."""

from __future__ import annotations

from moakit.types import Prompt, text_of

BYTES_PER_TOKEN = 4
IMAGE = 800
"""Tokens counted for an image part, whatever its size."""
ANSWER = 500
"""Tokens expected of an answer whose length is not limited."""


def estimate(text: str) -> int:
    """Return about how many tokens a text has: UTF-8 bytes / 4, so about 0.75 for a Chinese character."""
    return (len(text.encode("utf-8", "replace")) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


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
    return total
