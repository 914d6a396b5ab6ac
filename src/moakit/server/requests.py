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
from moakit.policies.budget import Budget
from moakit.server.bounds import MOST_NESTING, check_messages, check_nesting, check_sampling, check_tokens
from moakit.server.fusion import fusion_in
from moakit.server.listing import served
from moakit.server.overrides import NEVER, fused, overridden
from moakit.types import Prompt, as_prompt

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from moakit.config import Config

BODY_TIMEOUT = 30.0
"""Seconds a client has to send its request."""
LINGER = 2.0
"""Seconds that a body nobody wants is still read for."""
OWN = frozenset({"model", "messages", "stream", "stream_options", "moa"})
"""What the server itself reads of a request; everything else goes to the aggregator."""
_SMALLER = "shorten the conversation, send smaller images, or raise server.max_body"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


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
    budgets: tuple[Budget, ...] = ()


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the request's body; raises `BodyTooLarge`, or `BodyTimeout` when it does not come."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"the request has {int(declared)} bytes; this server takes {limit}", hint=_SMALLER)
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
                    raise BodyTooLarge(
                        f"the request is larger than the {limit} bytes this server takes", hint=_SMALLER
                    )
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
        check_nesting(data)
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
    check_sampling(data)
    check_tokens(body, data, prompt, config.server.max_prompt_tokens)
    for name in NEVER:
        if name in data:
            raise InvalidRequest(f"a request does not set {name}", param=name)
    ensemble = find_ensemble(model, config, changes, overrides=overrides)
    if "plugins" in data:
        plugin, others = fusion_in(data)
        if plugin is not None:
            ensemble = _fused(ensemble, config, plugin, changes, overrides=overrides)
        if isinstance(data["plugins"], list):
            # What is left is for the final model's provider.
            data = {**data, "plugins": others or None}
    return Work(
        name=model,
        ensemble=ensemble,
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


def _fused(
    ensemble: Layer, config: Config, plugin: Mapping[str, Any], changes: Mapping[str, Any], *, overrides: bool
) -> Layer:
    if not overrides:
        raise InvalidRequest("this server does not let requests change an ensemble", param="plugins")
    if changes:
        raise InvalidRequest("moa and the plugin fusion both change the ensemble", param="plugins")
    return fused(ensemble, config, plugin)


def _messages(messages: Any) -> Prompt:
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages is not a list of at least one message", param="messages")
    check_messages(len(messages))
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


def _flag(data: Mapping[str, Any], name: str, shown: str = "") -> bool:
    value = data.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{shown or name} is not true or false", param=shown or name)
