"""The values that flow through moakit: messages, responses, usage, answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import msgspec

from moakit.errors import InvalidRequest

Message: TypeAlias = Mapping[str, Any]
"""One message in OpenAI's chat format: a plain mapping, passed on as it came."""

Prompt: TypeAlias = Sequence[Message]
"""The conversation as the client sent it, oldest message first."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the provider counted them; 0 where it did not say.

    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` part of `completion_tokens`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


NO_USAGE = Usage()


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's output.

    `cost` is in dollars, None when the price is unknown. `seconds` counts from the start of the
    successful attempt to its end, `first_token` to its first token (None when not streamed).
    `attempts` counts every try, also on fallbacks. `tool_calls` are plain mappings in OpenAI's format.
    `extra` keeps what the provider sent beyond these fields (`logprobs`, `citations`, `choices` of n > 1, …).
    `left_out` is how many tokens of its references the model was not shown.
    """

    text: str
    model: str = ""
    path: str = ""
    role: str = "agent"
    usage: Usage = NO_USAGE
    cost: float | None = None
    finish_reason: str = "stop"
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    reasoning: str = ""
    seconds: float = 0.0
    first_token: float | None = None
    attempts: int = 1
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)
    left_out: int = 0


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run's ledger: a call that was made, whatever became of it.

    `status` is "ok", "failed" or "cancelled" (dropped by a quorum, an agreement, a deadline
    or the client);
    `error` names the error's class and `message` says what happened, both "" when it is "ok".
    A failed call has no `usage`. `left_out` is how many tokens of the references were left out to fit.
    """

    path: str
    model: str
    role: str = "agent"
    status: str = "ok"
    usage: Usage = NO_USAGE
    cost: float | None = None
    seconds: float = 0.0
    attempts: int = 1
    error: str = ""
    message: str = ""
    left_out: int = 0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a run returns.

    `response` is the final response and `text` its text; `references` are what the final layer saw;
    `layers` the responses of every layer; `calls` all calls, also failed ones; `failures` those that
    did not end "ok". `usage` and `cost` (dollars) are totals over all calls; `cost` is None when any
    part is unknown. `degraded` says that something failed, was cut, or came too late, so that it was dropped
    or replaced; what was left out by choice, since the proposals agreed, does not count. `duration` is in
    seconds. With `cite`, `citations` are the places in `references` that the text cites, in order of first
    use, and `false_citations` counts the marks that lead to none.
    """

    compared: ClassVar[Callable[[Sequence[str]], list[list[float]]]]
    """How alike each text is to each other, 0 to 1; given by `policies/agreement.py`, which stands above."""

    text: str
    response: Response
    references: tuple[Response, ...] = ()
    layers: tuple[tuple[Response, ...], ...] = ()
    usage: Usage = NO_USAGE
    cost: float | None = None
    calls: tuple[Call, ...] = ()
    failures: tuple[Call, ...] = ()
    degraded: bool = False
    duration: float = 0.0
    run_id: str = ""
    citations: tuple[int, ...] = ()
    false_citations: int = 0

    @property
    def agreement(self) -> float | None:
        """How much the references agree, 0 to 1: the mean over all pairs; None for fewer than two."""
        width = len(self.references)
        return None if width < 2 else sum(self._alike()) / (width * (width - 1))

    @property
    def dissent(self) -> int | None:
        """The place of the reference least like the others; None for fewer than three, or if none differs."""
        alike = self._alike() if len(self.references) > 2 else []
        least = min(alike, default=0.0)
        return None if least == max(alike, default=0.0) else alike.index(least)

    def _alike(self) -> list[float]:
        """Return how alike each reference is to all others together."""
        return [math.fsum(row) for row in Answer.compared([reference.text for reference in self.references])]

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        """Show the answer as Markdown in a notebook cell."""
        return self.text


def as_prompt(prompt: str | Prompt) -> Prompt:
    """Return the conversation for a string or a list of messages; checks their form, changes nothing."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise InvalidRequest("the prompt is empty", param="messages")
        return ({"role": "user", "content": prompt},)
    messages: Prompt = prompt
    if not isinstance(messages, Sequence):
        raise InvalidRequest(
            f"the prompt is a {type(messages).__name__}",
            param="messages",
            hint="pass a string or a list of messages",
        )
    if not messages:
        raise InvalidRequest(
            "the prompt is empty", param="messages", hint="pass a string or a list of messages"
        )
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise InvalidRequest(
                f"messages[{index}] is not a message",
                param=f"messages[{index}]",
                hint='a message is {"role": …, "content": …}',
            )
        wrong = _wrong_field(message)
        if wrong is not None:
            param = f"messages[{index}].{wrong}"
            raise InvalidRequest(f"{param} has a form that no model takes", param=param)
    return messages


def as_references(given: Sequence[Response | str | Mapping[str, Any]]) -> tuple[Response, ...]:
    """Return references for responses, texts, or mappings with `output` (and `generator`) or `text`.

    Raises `InvalidRequest` for anything else, and for one without text: it would say nothing to anybody.
    """
    single: object = given
    if isinstance(single, str | Mapping | Response) or not isinstance(single, Sequence):
        raise InvalidRequest(
            f"references is a {type(given).__name__}", param="references", hint="pass a list of them"
        )
    return tuple(_as_reference(one, f"references[{index}]") for index, one in enumerate(given))


def _as_reference(given: object, path: str) -> Response:
    found = given
    if isinstance(given, str):
        found = Response(text=given)
    elif isinstance(given, Mapping) and isinstance(given.get("output"), str):
        model = given.get("generator")
        found = Response(text=given["output"], model=model if isinstance(model, str) else "")
    elif isinstance(given, Mapping) and isinstance(given.get("text"), str):
        try:
            found = msgspec.convert(given, Response)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"{path} is not a response: {error}", param=path) from error
    if not isinstance(found, Response):
        raise InvalidRequest(
            f"{path} is not a reference",
            param=path,
            hint='a reference is a response, a text or {"output": …}',
        )
    if not found.text.strip():
        raise InvalidRequest(f"{path} is empty", param=path, hint="leave it out")
    return found


def _wrong_field(message: Message) -> str | None:
    content = message.get("content")
    if content is not None and not isinstance(content, str | list | tuple):
        return "content"
    calls = message.get("tool_calls")
    if calls is None:
        return None
    good = isinstance(calls, list | tuple) and all(
        isinstance(call, Mapping) and isinstance(call.get("function"), Mapping | None) for call in calls
    )
    return None if good else "tool_calls"


def text_of(message: Message) -> str:
    """Return a message's text: its string content, or its text parts joined by newlines."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""
