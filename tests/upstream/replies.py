"""What goes over the wire for a call, step by step."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .answers import Completion, completion, tokens
from .behaviour import Behaviour
from .calls import Call
from .failures import encode, error, refusal, retry_headers

BOM = b"\xef\xbb\xbf"
PING = b": ping\n\n"
BEFORE_KEY = re.compile(rb',(?="[a-z])')
"""Where a line may end inside JSON without a change of what it says."""


class Ending(Enum):
    """How a connection ends, other than well."""

    HANG = "say nothing more"
    CLOSE = "close without an end"
    RESET = "reset"


Step = bytes | float | Ending
"""Bytes to send, seconds to wait, or an end."""


@dataclass
class Reply:
    """An HTTP answer as a plan: wait, headers, steps."""

    status: int
    steps: Iterable[Step]
    length: int | None = None
    """The Content-Length; None means chunked."""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    before: Ending | None = None
    """What happens in place of an answer."""
    bytewise: bool = False
    ping: bytes = b""
    """Sent every 50 ms through a wait."""


def reply(behaviour: Behaviour, call: Call, serial: int) -> Reply:
    """The plan for one chat completion."""
    delay = behaviour.number("sleep")
    for part, ending in (("hang", Ending.HANG), ("close", Ending.CLOSE), ("reset", Ending.RESET)):
        if behaviour.has(part):
            return Reply(0, (), delay=delay, before=ending)
    if (refused := refusal(behaviour, call)) is not None:
        status, body = refused
        return plain(status, body, headers=retry_headers(behaviour), delay=delay)
    if behaviour.has("notjson"):
        page = b"<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>"
        return Reply(200, [page], len(page), {"content-type": "text/html"}, delay)
    if behaviour.has("error200") or (behaviour.has("error_in_stream") and not call.stream):
        return plain(200, error(500), delay=delay)
    answer = completion(behaviour, call, serial)
    bytewise = behaviour.has("bytewise")
    if call.stream:
        ping = PING.replace(b"\n", _line(behaviour)) if behaviour.has("comments") else b""
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        return Reply(200, _events(answer), None, headers, delay, bytewise=bytewise, ping=ping)
    delay += behaviour.number("ttft")
    if behaviour.has("pace"):
        count = max(len(tokens(choice.reasoning + (choice.content or ""))) for choice in answer.choices)
        delay += behaviour.number("pace") * count
    return _whole(answer, delay, bytewise)


def plain(
    status: int, body: dict[str, Any], *, headers: dict[str, str] | None = None, delay: float = 0.0
) -> Reply:
    """A healthy JSON answer of any status."""
    data = encode(body)
    return Reply(status, [data], len(data), {"content-type": "application/json"} | (headers or {}), delay)


def _whole(answer: Completion, delay: float, bytewise: bool) -> Reply:
    behaviour = answer.behaviour
    data = encode(answer.whole())
    if behaviour.has("bom"):
        data = BOM + data
    if behaviour.has("badchunk"):
        data = data[:-2]
    if behaviour.has("badutf8"):
        data = data.replace(b'"content":"', b'"content":"\xff', 1)
    steps: list[Step] = [data]
    if behaviour.has("cut"):
        steps = [data[: len(data) // 2], Ending.CLOSE]
    elif behaviour.has("hang_after"):
        rest: list[Step] = [behaviour.number("stall"), data[len(data) // 2 :]]
        steps = [data[: len(data) // 2], *(rest if behaviour.has("stall") else [Ending.HANG])]
    return Reply(200, steps, len(data), {"content-type": "application/json"}, delay, bytewise=bytewise)


def _events(answer: Completion) -> Iterator[Step]:
    """The answer as server-sent events, to the fault that ends it early or to its end."""
    behaviour = answer.behaviour
    if behaviour.has("bom"):
        yield BOM
    for choice in answer.choices:
        content = None if choice.content is None else ""
        yield _event(behaviour, answer.chunk(choice.index, {"role": "assistant", "content": content}))
    if behaviour.has("ttft"):
        yield behaviour.number("ttft")
    deltas = [list(choice.deltas(answer.reasoning_field)) for choice in answer.choices]
    total = max(map(len, deltas))
    after = {min(at, total): part for part in AFTER if (at := behaviour.count(part)) is not None}
    for position in range(total + 1):
        if (part := after.get(position)) is not None:
            what = AFTER[part]
            if stalls := part == "hang_after" and behaviour.has("stall"):
                yield behaviour.number("stall")
            else:
                yield _event(behaviour, what) if isinstance(what, bytes) else what
            if part not in PASSING and not stalls:
                return
        if 0 < position < total and behaviour.has("pace"):
            yield behaviour.number("pace")
        for choice, pieces in zip(answer.choices, deltas, strict=True):
            if position < len(pieces):
                yield _event(behaviour, answer.chunk(choice.index, pieces[position]))
    yield from _closing(answer)


def _closing(answer: Completion) -> Iterator[Step]:
    behaviour = answer.behaviour
    usage = [_event(behaviour, answer.usage_chunk())] if answer.usage_wanted else []
    early = behaviour.has("usage_before")
    if early:
        yield from usage
    if not behaviour.has("nofinish"):
        for choice in answer.choices:
            yield _event(behaviour, answer.chunk(choice.index, {}, choice.finish))
    if behaviour.has("silent_end"):
        yield Ending.HANG
        return
    if not early:
        yield from usage
    if not behaviour.has("nodone"):
        yield _event(behaviour, b"[DONE]")


def _event(behaviour: Behaviour, data: bytes | dict[str, Any]) -> bytes:
    line = _line(behaviour)
    pings = (b": ping" + line + line) * 3 if behaviour.has("comments") else b""
    body = data if isinstance(data, bytes) else encode(data)
    if behaviour.has("multiline"):
        body = BEFORE_KEY.sub(b"," + line + b"data: ", body)
    return pings + b"data: " + body + line + line


def _line(behaviour: Behaviour) -> bytes:
    return b"\r\n" if behaviour.has("crlf") else b"\r" if behaviour.has("cr") else b"\n"


AFTER: dict[str, Ending | bytes] = {
    "cut": Ending.CLOSE,
    "hang_after": Ending.HANG,
    "badchunk": b'{"id":"chatcmpl-0","choices":[{"index":0,"delta":{"conte',
    "badutf8": b'{"id":"chatcmpl-0","choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}',
    "error_in_stream": encode(error(500)),
}
"""What happens after so many tokens: an ending, or the data of an event."""
PASSING = ("badchunk", "badutf8")
"""After these the stream goes on."""
