"""What a call may take, in tokens and dollars, estimated before it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from moakit.models import prices, tokens
from moakit.models.base import Model
from moakit.types import Message, Usage

LENGTHS = ("max_tokens", "max_completion_tokens")
"""The two words for the longest answer."""


class Estimate(NamedTuple):
    """The tokens of a call's prompt, and of the longest answer it allows."""

    model: Model
    prompt: int
    answer: int

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt + self.answer

    def dollars(self) -> float | None:
        """Return what they cost, without any cache; None when the price is not known."""
        endpoint = self.model.endpoint
        if endpoint is None:
            return 0.0
        usage = Usage(self.prompt, self.answer, self.tokens)
        return prices.cost(endpoint, self.model.name.partition("/")[2], usage)


def estimate_call(
    model: Model, messages: Sequence[Message], parameters: Mapping[str, Any], *, more: int = 0
) -> Estimate:
    """Return the estimate of one attempt; `more` tokens of prompt are still to come."""
    prompt = tokens.estimate_prompt(messages) + tokens.estimate_tools(parameters) + more
    return Estimate(model, prompt, longest_answer(parameters))


def longest_answer(parameters: Mapping[str, Any]) -> int:
    """Return the tokens of the longest answer, of all its choices, or what is expected without a limit."""
    given = [value for name in LENGTHS if (value := _count(parameters.get(name)))]
    return max(given, default=tokens.ANSWER) * (_count(parameters.get("n")) or 1)


def has_price(model: Model) -> bool:
    """Say whether dollars can be told of a call before it is made; models without an endpoint are free."""
    endpoint = model.endpoint
    return endpoint is None or prices.priced(endpoint, model.name.partition("/")[2])


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
