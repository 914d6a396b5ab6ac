"""The layer that shortens the references."""

from __future__ import annotations

from typing import Any

import msgspec

from moakit.layers.base import Layer
from moakit.layers.selection import check_given, check_shape, whole_number
from moakit.layers.summary import Plan
from moakit.models.tokens import estimate
from moakit.prompts.packing import pack
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


class Truncate(Layer):
    """Cuts references longer than so many tokens (estimated) in their middle, with a line that says how much.

    What is cut here is gone for every layer after it, while `reference_tokens` cuts what one layer is shown.
    Cut by choice, so the run is not degraded. No calls.

    >>> Truncate(400).shape(3)
    3
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = whole_number("Truncate", "tokens", tokens)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
        """Return the references, the long ones cut."""
        del prompt
        check_given(self, references, run)
        packed = pack([reference.text for reference in references], estimate, cap=self.tokens)
        return tuple(
            reference if text == reference.text else msgspec.structs.replace(reference, text=text)
            for reference, text in zip(references, packed.texts, strict=True)
        )

    def shape(self, references: int | None) -> int | None:
        """Return as many as go in; raises `ShapeError` for none."""
        check_shape(self, references)
        return references

    def plan(self, references: int | None = 0) -> Plan:
        """Return nothing: nobody is asked."""
        del references
        return Plan(0, 0)

    def to_config(self) -> Any:
        """Return `{"truncate": …}`."""
        return {"truncate": self.tokens}
