"""How much one request may ask for: what is beyond it is refused before anything is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from moakit.errors import InvalidRequest
from moakit.models.tokens import estimate, estimate_prompt
from moakit.types import Prompt

MOST_MESSAGES = 10_000
MOST_CHOICES = 16
MOST_OUTPUT = 1_000_000
"""Tokens of one response."""
MOST_TOOLS = 512
MOST_STOPS = 64
MOST_RETRIES = 10
"""Attempts after the first that a request may ask for."""
MOST_FALLBACKS = 8
"""Agents that a request may name to stand in for one, those that stand in for them included."""
MOST_NESTING = 100
"""Brackets inside brackets, of all that is sent: what walks through it must not run out of stack."""
LAX = 16
"""How far above the calls allowed an estimate may lie that is made before anything is built."""
DENSEST = 40
"""The most tokens that a byte of a request can stand for: an image's part is short and counts for 800."""


class Bounds(NamedTuple):
    """What a number of a request may be."""

    low: int
    high: int
    whole: bool = True


NUMBERS: Mapping[str, Bounds] = {
    "temperature": Bounds(0, 2, whole=False),
    "top_p": Bounds(0, 1, whole=False),
    "n": Bounds(1, MOST_CHOICES),
    "max_tokens": Bounds(1, MOST_OUTPUT),
    "max_completion_tokens": Bounds(1, MOST_OUTPUT),
}
"""The numbers that are checked before anything is asked."""
LISTS: Mapping[str, int] = {"tools": MOST_TOOLS, "functions": MOST_TOOLS, "stop": MOST_STOPS}
"""The lists of a request, and how many entries each may have."""
_CALLS = "ask for fewer layers, proposers or samples, or raise server.max_calls"
_SMALLER = {"tools": "send those the conversation needs", "functions": "send those the conversation needs"}


def check_messages(number: int) -> None:
    """Refuse a conversation of too many messages."""
    if number > MOST_MESSAGES:
        raise InvalidRequest(
            f"there are {number:,} messages; {MOST_MESSAGES:,} are allowed",
            param="messages",
            hint="leave out the oldest, or sum them up in one",
        )


def check_sampling(data: Mapping[str, Any], at: str = "") -> None:
    """Refuse sampling that is out of range, and lists that are too long; `at` is where they stand."""
    for name, (low, high, whole) in NUMBERS.items():
        value = data.get(name)
        if value is None:
            continue
        good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not good or not low <= value <= high:
            kind = "whole number" if whole else "number"
            raise InvalidRequest(f"{at}{name} is not a {kind} from {low:,} to {high:,}", param=f"{at}{name}")
    for name, most in LISTS.items():
        value = data.get(name)
        if isinstance(value, list) and len(value) > most:
            raise InvalidRequest(
                f"{at}{name} has {len(value):,} entries; {most} are allowed",
                param=f"{at}{name}",
                hint=_SMALLER.get(name, "send fewer"),
            )


def check_tokens(body: bytes, data: Mapping[str, Any], prompt: Prompt, most: int) -> None:
    """Refuse a prompt of more than so many tokens, its tools and what `moa` says of agents included."""
    if len(body) * DENSEST <= most:
        return
    tokens = estimate_prompt(prompt)
    beside = [data[name] for name in ("tools", "functions", "response_format", "moa") if data.get(name)]
    beside += [message["tool_calls"] for message in prompt if message.get("tool_calls")]
    if beside:
        tokens += estimate(str(beside))
    if tokens > most:
        raise InvalidRequest(
            f"the prompt has about {tokens:,} tokens; {most:,} are allowed",
            param="messages",
            hint="shorten it, or raise server.max_prompt_tokens",
        )


def check_nesting(data: Any) -> None:
    """Refuse what nests so deep that nothing could walk through it."""
    level = [data]
    for _ in range(MOST_NESTING):
        inside = (item for value in level for item in (value.values() if isinstance(value, dict) else value))
        level = [item for item in inside if isinstance(item, dict | list)]
        if not level:
            return
    raise InvalidRequest(f"the body nests deeper than the {MOST_NESTING} levels allowed")


def check_changes(changes: Mapping[str, Any], *, most_calls: int, most_seconds: float) -> None:
    """Refuse changes of an ensemble that would cost out of all bounds, without building it."""
    if _most(changes) > LAX * most_calls:
        raise InvalidRequest(
            f"this would make far more calls than the {most_calls} allowed", param="moa", hint=_CALLS
        )
    _check_inside(changes, "moa", most_seconds)


def check_calls(calls: int, most: int) -> None:
    """Refuse a changed ensemble of too many calls a run."""
    if calls > most:
        raise InvalidRequest(f"this would make {calls:,} calls; {most} are allowed", param="moa", hint=_CALLS)


def _check_inside(value: Any, path: str, most_seconds: float) -> None:
    if isinstance(value, dict):
        if path.endswith(".extra"):
            check_sampling(value, f"{path}.")
        for key, item in value.items():
            at = f"{path}.{key}"
            if key == "fallback" and _agents(item) > MOST_FALLBACKS:
                raise InvalidRequest(
                    f"{at} names {_agents(item):,} agents; {MOST_FALLBACKS} are allowed", param=at
                )
            if not isinstance(item, int | float):
                _check_inside(item, at, most_seconds)
            elif key == "deadline" and item > most_seconds:
                # The number itself is not repeated: it may have thousands of digits.
                raise InvalidRequest(
                    f"{at} is more than the {most_seconds:g} s allowed",
                    param=at,
                    hint="ask for less, or raise server.max_deadline",
                )
            elif key == "retries" and item > MOST_RETRIES:
                raise InvalidRequest(f"{at} is more than the {MOST_RETRIES} allowed", param=at)
            elif key == "max_tokens" and item > MOST_OUTPUT:
                raise InvalidRequest(f"{at} is more than the {MOST_OUTPUT:,} allowed", param=at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_inside(item, f"{path}[{index}]", most_seconds)


def _agents(fallback: Any) -> int:
    """Return how many agents may be asked where one has failed."""
    if isinstance(fallback, list):
        return sum(map(_agents, fallback))
    return 1 + _agents(fallback.get("fallback")) if isinstance(fallback, dict) else int(fallback is not None)


def _most(value: Any) -> int:
    """Return a number no smaller than the calls this makes, without building it."""
    if isinstance(value, Mapping):
        inside = sum(_most(item) for key, item in value.items() if key not in ("extra", "prompt"))
        most = max(1, inside)
        for key in ("layers", "samples"):
            times = value.get(key)
            most *= max(1, times) if isinstance(times, int) else 1
        return most
    if isinstance(value, list):
        return sum(map(_most, value))
    return int(isinstance(value, str))
