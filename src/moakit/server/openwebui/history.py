"""Taking our own decorations out of a conversation that Open WebUI sends back."""

from __future__ import annotations

import re

from moakit.types import Message, Prompt

_OURS = re.compile(r'<details type="moa"[^>]*>.*?</details>\s*|<think>.*?</think>\s*', re.DOTALL)


def cleaned(prompt: Prompt) -> Prompt:
    """Return the conversation without proposers' answers and reasoning in assistant messages."""
    return [_cleaned(message) if message.get("role") == "assistant" else message for message in prompt]


def _cleaned(message: Message) -> Message:
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": _OURS.sub("", content)} if "<" in content else message
    if isinstance(content, list):
        parts = [
            {**part, "text": _OURS.sub("", part["text"])}
            if isinstance(part, dict) and isinstance(part.get("text"), str)
            else part
            for part in content
        ]
        return {**message, "content": parts}
    return message
