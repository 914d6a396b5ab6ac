"""Reading a whole chat completion into a `Reply`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from moakit.errors import BadResponse
from moakit.models import failures, fields, reasoning
from moakit.models.base import Listener, Reply
from moakit.models.secrets import Key
from moakit.models.sse import MARK
from moakit.types import Usage

Count = Annotated[int, msgspec.Meta(ge=0, lt=fields.MOST)]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str = ""
    refusal: None = None
    tool_calls: None = None


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    message: _Message
    finish_reason: str
    index: int = 0
    logprobs: None = None


class _Read(msgspec.Struct):
    cached_tokens: Count | None = None


class _Written(msgspec.Struct):
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: _Read | None = None
    completion_tokens_details: _Written | None = None
    prompt_cache_hit_tokens: None = None
    cost: None = None


class _Completion(msgspec.Struct, forbid_unknown_fields=True):
    """The common answer: one text, its usage. Whatever says more does not decode as one."""

    choices: tuple[_Choice]
    usage: _Usage
    id: str | None = None
    object: str | None = None
    created: float | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    error: None = None


_decode = msgspec.json.Decoder(_Completion).decode


def reply_from(body: bytes, *, model: str, key: Key) -> Reply:
    """Return the reply in a whole JSON answer; raises `CallError` when there is none."""
    try:
        answer = _decode(body)
    except fields.UNREADABLE:
        return _reply_from_any(body, model=model, key=key)
    choice = answer.choices[0]
    inner, text = reasoning.split(choice.message.content)
    extra: dict[str, Any] = {}
    if answer.system_fingerprint is not None:
        extra["system_fingerprint"] = answer.system_fingerprint
    if answer.service_tier is not None:
        extra["service_tier"] = answer.service_tier
    return fields.checked(
        Reply(
            text=text,
            reasoning=inner.strip(),
            finish_reason=choice.finish_reason or "stop",
            usage=_usage(answer.usage),
            extra=extra,
        )
    )


def _usage(usage: _Usage) -> Usage:
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens or usage.prompt_tokens + usage.completion_tokens,
        (read and read.cached_tokens) or 0,
        (written and written.reasoning_tokens) or 0,
    )


def _reply_from_any(body: bytes, *, model: str, key: Key) -> Reply:
    try:
        data = fields.decoded(body.removeprefix(MARK))
    except fields.UNREADABLE as error:
        raise BadResponse(f"the answer is not JSON: {failures.excerpt(body, key)}") from error
    data = fields.as_object(data, "the answer")
    if data.get("error"):
        raise failures.from_error(data["error"], model=model, key=key)
    choices = fields.as_objects(data.get("choices"), "choices of the answer")
    if not choices:
        raise BadResponse("the answer has no choices")
    choice = choices[0]
    if choice.get("error"):
        raise failures.from_error(choice["error"], model=model, key=key)
    if choice.get("message") is None:
        raise BadResponse("the answer has no message")
    message = fields.as_object(choice["message"], "the message")
    inner, text = reasoning.split(fields.text_of(message.get("content")))
    thought = fields.thought_of(message) + inner
    usage = data.get("usage")
    extra = fields.others(data, fields.TOP)
    extra.update(fields.others(choice, fields.CHOICE))
    extra.update(fields.others(message, fields.MESSAGE))
    if choice.get("logprobs") is not None:
        extra["logprobs"] = choice["logprobs"]
    if len(choices) > 1:
        extra["choices"] = choices
    return fields.checked(
        Reply(
            text=text,
            reasoning=thought.strip(),
            tool_calls=tuple(fields.as_objects(message.get("tool_calls"), "tool calls")),
            finish_reason=fields.finish_of(choice) or "stop",
            usage=fields.usage_from(usage),
            cost=fields.cost_from(usage),
            extra=extra,
        )
    )


def tell(reply: Reply, listener: Listener) -> None:
    """Tell an answer that came whole although a stream was asked for, as some servers send it."""
    if reply.reasoning:
        listener(reply.reasoning, "reasoning")
    if reply.text.strip():
        listener(reply.text)
    if reply.tool_calls:
        fragments = [{**call, "index": index} for index, call in enumerate(reply.tool_calls)]
        listener("", "tool", 0, {"tool_calls": fragments})
    choices = reply.extra.get("choices")
    for index, choice in enumerate(choices if isinstance(choices, list) else ()):
        message = choice.get("message") if isinstance(choice, dict) else None
        text = fields.text_of(message.get("content")) if isinstance(message, dict) else ""
        if index and text:
            listener(text, "content", index)
