"""Reading the fields of a chat completion, which no provider is bound to send as documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moakit.errors import BadResponse, ContentFiltered
from moakit.models.base import Reply
from moakit.types import NO_USAGE, Usage

MANY = 2_000_000
"""The most values an answer or a chunk may have: each takes many times its bytes."""
PLACES = 1024
"""The most choices, and the most tool calls, of one answer."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON from outside may raise."""

TOP = frozenset({"id", "object", "created", "model", "choices", "usage", "error", "logprobs"})
CHOICE = frozenset({"index", "message", "delta", "finish_reason", "logprobs", "error", "choices"})
MESSAGE = frozenset(
    {"role", "content", "tool_calls", "reasoning_content", "reasoning", "index", "choices", "logprobs"}
)
TOOL_CALL = frozenset({"index", "id", "type", "function"})
"""The fields that are read; what else a provider sends is kept in `extra`.

`choices` and `logprobs` are kept there by us, so one that stands where it does not belong is passed over.
"""
MOST = 2**48
"""A count of tokens from here on is nonsense, and too large for those who read our JSON."""


def decoded(data: bytes) -> Any:
    """Return the value of a JSON; raises what `UNREADABLE` names, or `BadResponse` for too many values."""
    if len(data) > MANY and sum(map(data.count, (b",", b"[", b"{"))) > MANY:
        raise BadResponse(f"the answer has more than {MANY} values", should_retry=False)
    return msgspec.json.decode(data)


def others(value: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the fields that are not known, without nulls."""
    return {name: one for name, one in value.items() if name not in known and one is not None}


def as_object(value: object, what: str) -> dict[str, Any]:
    """Return a JSON object; anything else is a `BadResponse`."""
    if not isinstance(value, dict):
        raise BadResponse(f"{what} is not a JSON object")
    return value


def as_objects(value: object, what: str) -> list[dict[str, Any]]:
    """Return a list of JSON objects, empty for null; anything else is a `BadResponse`."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise BadResponse(f"the {what} are not a list of JSON objects")
    if len(value) > PLACES:
        raise BadResponse(f"the {what} are {len(value)}, more than {PLACES}", should_retry=False)
    return value


def index_of(value: Mapping[str, Any]) -> int:
    """Return a choice's or tool call's index, 0 when there is none."""
    index = value.get("index") or 0
    if not isinstance(index, int) or not 0 <= index < PLACES:
        raise BadResponse(f"an index is not a whole number from 0 to {PLACES - 1}")
    return index


def finish_of(choice: Mapping[str, Any]) -> str | None:
    """Return a choice's finish reason, None while there is none."""
    finish = choice.get("finish_reason")
    return finish if isinstance(finish, str) and finish else None


def text_of(content: object) -> str:
    """Return the text of a content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def thought_of(message: Mapping[str, Any]) -> str:
    """Return the reasoning that stands beside a message's content, whatever the provider calls it."""
    return text_of(message.get("reasoning_content") or message.get("reasoning"))


def usage_from(usage: object) -> Usage:
    """Return the tokens a provider reported; zeros where it did not."""
    if not isinstance(usage, dict):
        return NO_USAGE
    prompt = _count(usage.get("prompt_tokens"))
    completion = _count(usage.get("completion_tokens"))
    total = _count(usage.get("total_tokens")) or prompt + completion
    read, written = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = read.get("cached_tokens") if isinstance(read, dict) else None
    thinking = written.get("reasoning_tokens") if isinstance(written, dict) else None
    cached = _count(cached) or _count(usage.get("prompt_cache_hit_tokens"))
    return Usage(prompt, completion, total, cached, _count(thinking))


def cost_from(usage: object) -> float | None:
    """Return the dollars that OpenRouter, and proxies that know their prices, report in `usage.cost`."""
    value = usage.get("cost") if isinstance(usage, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < MOST else None


def checked(reply: Reply) -> Reply:
    """Return the reply; a finish reason that says there is none is an error."""
    if reply.finish_reason == "content_filter" and not reply.text:
        raise ContentFiltered("the provider's content filter withheld the answer")
    if reply.finish_reason == "error":
        raise BadResponse("the provider ended its answer with an error")
    return reply


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MOST else 0
