"""What a model is told whose answer is not in the form asked for."""

from __future__ import annotations

from moakit.types import Prompt

REPAIR = """\
Your answer does not fit the JSON schema that was asked for: {problem}

Give the same answer again as JSON that fits the schema, and nothing else."""


def repairing(prompt: Prompt, text: str, problem: str) -> Prompt:
    """Return the conversation with the answer as it was given, and with what is wrong with it."""
    said = {"role": "assistant", "content": text}
    return [*prompt, said, {"role": "user", "content": REPAIR.replace("{problem}", problem)}]
