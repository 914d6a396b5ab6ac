"""How a model is asked to go on with an answer that another one could not finish."""

from __future__ import annotations

from moakit.types import Message, Prompt

REPEATED = 60
"""About how many characters the model is asked to repeat, so that the seam is found."""

REQUEST = """\
Your response was cut off in the middle. Continue it exactly where it stopped, in the same language and \
form. Begin by repeating these last words of it, exactly as they stand, then go on: {words}"""


def prefilled(messages: Prompt, text: str, *, marked: bool) -> list[Message]:
    """Return the messages with the unfinished answer as their last, for models that go on with it.

    `marked` adds `"prefix": true`, as Mistral's API wants it.
    """
    message = {"role": "assistant", "content": text.rstrip()}
    return [*messages, {**message, "prefix": True} if marked else message]


def requested(messages: Prompt, text: str) -> list[Message]:
    """Return the messages with the unfinished answer and the request to continue it."""
    words = text.strip()[-REPEATED:]
    _, space, rest = words.partition(" ")
    if space and rest and len(text) > REPEATED:
        # Not from the middle of a word.
        words = rest
    return [
        *messages,
        {"role": "assistant", "content": text},
        {"role": "user", "content": REQUEST.format(words=words)},
    ]
