"""The numbers in a provider's words that a prompt is too long for its model."""

from __future__ import annotations

import re
from typing import NamedTuple

_N = r"(\d[\d,]*)"


def _words(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern.replace("#", _N), re.IGNORECASE) for pattern in patterns)


# Each line is the wording of a provider; the first that is found counts.
_WINDOW = _words(
    r"maximum context length(?: is|:| of)? #",  # OpenAI, OpenRouter, DeepSeek, vLLM, Fireworks
    r"# maximum context length",  # Mistral
    r"\d(?: tokens)? > # maximum",  # Anthropic
    r"\d \+ \d+ > #",
    r"context size \(#",  # llama.cpp
    r"n_ctx\W+#",
    r"maximum number of (?:input )?tokens(?: allowed)? \(#",  # Gemini
    r"maximum prompt length is #",  # xAI
    r"must be <= #",  # Together
    r"maximum model length of #",  # vLLM
    r"context length of (?:only )?#",  # LM Studio
    r"cannot exceed #",  # Cohere
    r"limit is #",  # Cerebras
    r"limit #, requested",  # Groq and OpenAI: one request above a minute's tokens
)
_PROMPT = _words(
    r"# (?:in|of|for) (?:the |your )?(?:messages|prompt|text input)",
    r"resulted in #",
    r"prompt contains(?: at least)? # (?:input )?tokens",
    r"(?:has|contains|there are|sent) # (?:input )?tokens",
    r"#(?: tokens)? > \d+ maximum",
    r"# \+ \d+ > \d",
    r"token count \(#\)",
    r"prompt tokens \(#\)",
    r"request \(# tokens\)",
    r"n_prompt_tokens\W+#",
    r"given: #",
    r"too long: #",
    r"current length is #",
    r"exceed \d+ - received #",
    r"keep the first #",
    r"limit \d+, requested #",
    r"requested (?:about )?# tokens",
)
_ANSWER = _words(
    r"# (?:in|of|for) (?:the |your )?(?:completion|output|text output)",
    r"requested # output tokens",
    r"\d \+ # > \d",
    r"and # `?max_new_tokens",
)
_AT_LEAST = re.compile(r"at least \d[\d,]* (?:input )?tokens", re.IGNORECASE)
_READ = 4000
"""How much of a refusal is looked at, in characters."""


class Overflow(NamedTuple):
    """The tokens a refusal names: window, prompt, the answer counted with it; None where it is silent."""

    window: int | None
    prompt: int | None
    answer: int | None


def overflow_in(text: str) -> Overflow:
    """Return the numbers in a refusal, as far as it has any that make sense."""
    text = text[:_READ]
    window, prompt, answer = (_first(words, text) for words in (_WINDOW, _PROMPT, _ANSWER))
    if prompt is not None and _AT_LEAST.search(text):
        # Some stop counting where the window ends: how long the prompt is they do not know.
        prompt = None
    if prompt is not None and window is not None and prompt + (answer or 0) <= window:
        prompt = None
    return Overflow(window or None, prompt, answer)


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    for pattern in patterns:
        match = pattern.search(text)
        if match is not None:
            digits = match[1].replace(",", "")
            return int(digits) if len(digits) < 12 else None
    return None
