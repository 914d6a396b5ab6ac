"""Taking our own decorations out of a conversation that Open WebUI sends back."""

from __future__ import annotations

import re

from moakit.types import Message, Prompt

_OURS = (('<details type="moa"', "</details>"), ("<think>", "</think>"))
"""How each decoration begins and ends."""
_SPACE = re.compile(r"\s*")


def cleaned(prompt: Prompt) -> Prompt:
    """Return the conversation without proposers' answers and reasoning in assistant messages.

    A message of which nothing is left, as of an answer that was stopped early, goes as well.
    """
    found = [_cleaned(message) if message.get("role") == "assistant" else message for message in prompt]
    return [message for message in found if message is not None]


def _cleaned(message: Message) -> Message | None:
    content = message.get("content")
    if isinstance(content, str):
        text = without_decorations(content)
        emptied = text != content and not text.strip() and not message.get("tool_calls")
        return None if emptied else {**message, "content": text}
    if isinstance(content, list):
        parts = [
            {**part, "text": without_decorations(part["text"])}
            if isinstance(part, dict) and isinstance(part.get("text"), str)
            else part
            for part in content
        ]
        return {**message, "content": parts}
    return message


def without_decorations(text: str) -> str:
    """Return a text without what we added to it; what does not end is left as it is.

    The time grows with the length of the text alone, whatever a client sends.
    """
    for opening, closing in _OURS:
        parts: list[str] = []
        at = 0
        while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
            parts.append(text[at:start])
            space = _SPACE.match(text, end + len(closing))
            at = end + len(closing) if space is None else space.end()
        text = "".join((*parts, text[at:])) if parts else text
    return text
