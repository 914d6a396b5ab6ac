"""Reading a whole chat completion into a `Reply`."""

from __future__ import annotations

import msgspec

from moakit.errors import BadResponse
from moakit.models import failures, fields, reasoning
from moakit.models.base import Reply
from moakit.models.sse import MARK


def reply_from(body: bytes, *, model: str, key: str | None) -> Reply:
    """Return the reply in a whole JSON answer; raises `CallError` when there is none."""
    try:
        data = msgspec.json.decode(body.removeprefix(MARK))
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
