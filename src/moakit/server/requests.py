"""From the body of a request to what is to be run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from moakit.errors import InvalidRequest, MoaError
from moakit.layers import Layer
from moakit.observe.openwebui import Shown
from moakit.server.listing import served
from moakit.server.overrides import NEVER, overridden
from moakit.types import Prompt, as_prompt

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from moakit.config import Config

BODY_TIMEOUT = 30.0
"""Seconds a client has to send its request."""
LINGER = 2.0
"""Seconds that a body nobody wants is still read for."""
MOST_MESSAGES = 10_000
MOST_CHOICES = 16
MOST_NESTING = 100
"""Brackets inside brackets, of all that is sent: what walks through it must not run out of stack."""
OWN = frozenset({"model", "messages", "stream", "stream_options", "moa"})
"""What the server itself reads of a request; everything else goes to the aggregator."""
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class Bounds(NamedTuple):
    """What a number of a request may be."""

    low: int
    high: int | None = None
    whole: bool = True


NUMBERS: Mapping[str, Bounds] = {
    "temperature": Bounds(0, 2, whole=False),
    "top_p": Bounds(0, 1, whole=False),
    "n": Bounds(1, MOST_CHOICES),
    "max_tokens": Bounds(1),
    "max_completion_tokens": Bounds(1),
}
"""The numbers that are checked before anything is asked."""


class BodyTooLarge(MoaError):
    """The request is larger than the server takes."""


class BodyTimeout(MoaError):
    """The request did not arrive in time."""


class Work(NamedTuple):
    """A request, understood."""

    name: str
    ensemble: Layer
    prompt: Prompt
    parameters: Mapping[str, Any]
    stream: bool
    include_usage: bool
    events: bool
    dialect: bool = False
    show: Shown = "reasoning"


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the request's body; raises `BodyTooLarge`, or `BodyTimeout` when it does not come."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"the request has {int(declared)} bytes; this server takes {limit}")
    parts: list[bytes] = []
    size = 0
    more = True
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionResetError
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise BodyTooLarge(f"the request is larger than the {limit} bytes this server takes")
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError:
        raise BodyTimeout(f"the request's body did not arrive within {BODY_TIMEOUT:g} s") from None
    return b"".join(parts)


async def discard_body(receive: Receive) -> None:
    """Read what a client is still sending, for a while: were it cut off, it would not read its answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body", False):
                pass


def understand(body: bytes, config: Config, *, overrides: bool) -> Work:
    """Return what a request asks for; raises `InvalidRequest`, or `UnknownModel` with the nearest name."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidRequest("the body is not a JSON object")
    if body.count(b"[") + body.count(b"{") > MOST_NESTING:
        _check_nesting(data)
    prompt = _messages(data.get("messages"))
    stream = _flag(data, "stream")
    options = data.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise InvalidRequest("stream_options is not an object", param="stream_options")
    extra = data.get("moa")
    if extra is not None and not isinstance(extra, dict):
        raise InvalidRequest("moa is not an object", param="moa")
    model = data.get("model", config.default)
    if not isinstance(model, str):
        raise InvalidRequest("model is not a string", param="model")
    changes = {key: value for key, value in (extra or {}).items() if key != "events"}
    _check_numbers(data)
    for name in NEVER:
        if name in data:
            raise InvalidRequest(f"a request does not set {name}", param=name)
    return Work(
        name=model,
        ensemble=find_ensemble(model, config, changes, overrides=overrides),
        prompt=prompt,
        parameters={key: value for key, value in data.items() if key not in OWN and value is not None},
        stream=stream,
        include_usage=_flag(options or {}, "include_usage", "stream_options.include_usage"),
        events=_flag(extra or {}, "events", "moa.events") and stream,
    )


def find_ensemble(name: str, config: Config, changes: Mapping[str, Any], *, overrides: bool) -> Layer:
    """Return the ensemble, or the model passed through, with the request's changes."""
    ensemble = served(name, config)
    if not changes:
        return ensemble
    if not overrides:
        raise InvalidRequest("this server does not let requests change an ensemble", param="moa")
    return overridden(ensemble, config, changes)


def _messages(messages: Any) -> Prompt:
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages is not a list of at least one message", param="messages")
    if len(messages) > MOST_MESSAGES:
        raise InvalidRequest(
            f"there are {len(messages)} messages; {MOST_MESSAGES} are allowed", param="messages"
        )
    for index, message in enumerate(as_prompt(messages)):
        at = f"messages[{index}]"
        if message["role"] not in ROLES:
            raise InvalidRequest(f"{at}.role {message['role']!r} is not known", param=f"{at}.role")
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise InvalidRequest(f"{at}.content is not a string or a list", param=f"{at}.content")
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise InvalidRequest(f"{at}.content[{place}] is not a part", param=f"{at}.content[{place}]")
        calls = message.get("tool_calls")
        if calls is not None and not (
            isinstance(calls, list) and all(isinstance(call, dict) for call in calls)
        ):
            raise InvalidRequest(f"{at}.tool_calls is not a list of objects", param=f"{at}.tool_calls")
    prompt: Prompt = messages
    return prompt


def _check_nesting(data: Any) -> None:
    level = [data]
    for _ in range(MOST_NESTING):
        inside = (item for value in level for item in (value.values() if isinstance(value, dict) else value))
        level = [item for item in inside if isinstance(item, dict | list)]
        if not level:
            return
    raise InvalidRequest(f"the body nests deeper than the {MOST_NESTING} levels allowed")


def _flag(data: Mapping[str, Any], name: str, shown: str = "") -> bool:
    value = data.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{shown or name} is not true or false", param=shown or name)


def _check_numbers(data: Mapping[str, Any]) -> None:
    for name, (low, high, whole) in NUMBERS.items():
        value = data.get(name)
        if value is None:
            continue
        good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not good or value < low or (high is not None and value > high):
            span = f"of at least {low}" if high is None else f"from {low} to {high}"
            raise InvalidRequest(f"{name} is not a {'whole ' if whole else ''}number {span}", param=name)
