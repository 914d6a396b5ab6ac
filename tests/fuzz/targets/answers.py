"""A provider's answers: streams and whole ones, from the first byte to what a client is sent."""

import json
from collections.abc import Sequence

from moakit.errors import BadResponse, CallError
from moakit.events import Delta
from moakit.models import prices
from moakit.models.base import Reply
from moakit.models.chunks import Assembly
from moakit.models.completion import reply_from, tell
from moakit.models.providers import Endpoint, Price
from moakit.models.reasoning import Splitter, split
from moakit.models.sse import EventParser
from moakit.server.replies import encoded
from moakit.server.wire import Chunks, completion, usage_of
from moakit.types import Answer, Call, Response
from tests.fuzz.source import as_json, cut, made
from tests.fuzz.targets.refusals import HERE, KEYS, WORDS, safe
from tests.models.streams import by_the_book
from tests.models.wire import KEY, Ear

SIZES = (1, 2, 3, 7)
PRICED = Endpoint(name="lab", base_url="http://127.0.0.1:1/v1", price=Price(1.5, 10.0, 0.1))
USAGE = {
    "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1},
    "cost": 0.5,
}  # fmt: skip
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DELTA = {"content": "a", "reasoning_content": "b", "tool_calls": [CALL]}
LOGPROBS = {"content": [{"token": "a", "logprob": -0.5}]}
CHUNK = {
    "id": "1", "choices": [{"index": 0, "delta": DELTA, "finish_reason": None, "logprobs": LOGPROBS}],
    "usage": USAGE,
}  # fmt: skip
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
WHOLE = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
    "usage": {name: USAGE[name] for name in USAGE if name != "cost"},
}  # fmt: skip


def events(data: bytes) -> None:
    """Server-sent events: the same for every cut, as the specification says, in bounded memory."""
    found = _parsed([data])
    assert found == by_the_book(data)
    for size in SIZES:
        assert _parsed(cut(data, size)) == found
    # A small limit refuses the same streams however they are cut, and gives the same events before.
    limited = [_limited(pieces) for pieces in ([data], *(cut(data, size) for size in SIZES))]
    assert len({refused for _, refused in limited}) == 1
    if not limited[0][1]:
        assert all(events == found for events, _ in limited)


def chunks(data: bytes) -> None:
    """A stream: one reply or one error for every cut, told as it is kept, and fit for a client."""
    source = made(data)
    expected = 1
    if source is None:
        stream = data.replace(HERE, KEY.encode())
    else:
        expected += source.number(4) // 3
        good = [source.choose((CHUNK, CHUNK, END)) for _ in range(1 + source.number(4))]
        sent = [source.near(chunk, KEYS, WORDS) for chunk in (*good, *([END] if source.number(4) else ()))]
        stream = b"".join(b"data: " + as_json(chunk) + b"\n\n" for chunk in sent)
    outcomes = [
        _streamed(pieces, expected) for pieces in ([stream], *(cut(stream, size) for size in (5, 64)))
    ]
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes


def whole(data: bytes) -> None:
    """A whole answer: a reply or a typed error, the same in the short and the long way of reading it."""
    source = made(data)
    value = None if source is None else source.near(WHOLE, KEYS, WORDS)
    body = data.replace(HERE, KEY.encode()) if value is None else as_json(value)
    outcome = _whole(body)
    if isinstance(value, dict):
        # A null nobody asked for changes nothing, but the short way does not take it.
        assert _whole(as_json({**value, "nothing": None})) == outcome


def thoughts(data: bytes) -> None:
    """Telling reasoning from text: pieces give what the whole gives, and nothing but the tags is lost."""
    source = made(data)
    if source is None:
        pieces = data.decode("utf-8", "replace").split("|")
    else:
        tags = ("<think>", "</think>", "<", "think", ">", "</", "\n", " ", "why")
        pieces = [source.text(tags) for _ in range(source.number(12))]
    text = "".join(pieces)
    splitter = Splitter()
    said = [splitter.feed(piece) for piece in pieces] + [splitter.close()]
    apart = split(text)
    assert ("".join(thought for thought, _ in said), "".join(rest for _, rest in said)) == apart
    assert all(part in text for part in apart)


def _parsed(pieces: Sequence[bytes], limit: int = 1 << 20) -> list[bytes]:
    parser = EventParser(limit)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def _limited(pieces: Sequence[bytes]) -> tuple[list[bytes], bool]:
    try:
        return _parsed(pieces, limit=24), False
    except BadResponse as error:
        assert error.should_retry is False
        return [], True


def _streamed(pieces: Sequence[bytes], choices: int) -> object:
    """What becomes of a stream, read as the client of the wire reads it."""
    ear, parser = Ear(), EventParser()
    assembly = Assembly(ear, model="lab/m", key=KEY, choices=choices)
    try:
        for piece in pieces:
            assembly.take(parser.feed(piece))
        assembly.take(parser.close())
        reply = assembly.reply()
    except CallError as error:
        safe(error)
        return type(error), str(error)
    _fit(reply, ear)
    return reply, ear.text(), ear.text("reasoning")


def _whole(body: bytes) -> object:
    ear = Ear()
    try:
        reply = reply_from(body, model="lab/m", key=KEY)
    except CallError as error:
        safe(error)
        return type(error), str(error)
    tell(reply, ear)
    _fit(reply, ear)
    return reply


def _fit(reply: Reply, ear: Ear) -> None:
    """Whatever was kept of an answer can be priced, and sent to a client as a whole and as a stream."""
    # White space alone is no answer, and is not shown as one.
    assert reply.finish_reason and ear.text() == (reply.text if reply.text.strip() else "")
    assert ear.text("reasoning").strip() == reply.reasoning
    counts = reply.usage
    assert all(type(count) is int and 0 <= count < 2**53 for count in (
        counts.prompt_tokens, counts.completion_tokens, counts.total_tokens, counts.cached_tokens,
        counts.reasoning_tokens,
    ))  # fmt: skip
    assert reply.cost is None or 0 <= reply.cost < float("inf")
    dollars = prices.cost(PRICED, "m", reply.usage, reply.cost)
    assert dollars is None or dollars >= 0
    response = Response(
        text=reply.text, model="lab/m", usage=reply.usage, cost=dollars, finish_reason=reply.finish_reason,
        tool_calls=reply.tool_calls, reasoning=reply.reasoning, extra=reply.extra,
    )  # fmt: skip
    call = Call(path="", model="lab/m", usage=reply.usage + reply.usage, cost=dollars)
    answer = Answer(text=reply.text, response=response, usage=reply.usage, calls=(call,), run_id="r")
    sent = json.loads(encoded(completion(answer, "panel", usage_of(answer))))
    assert sent["choices"][0]["message"]["content"] == (reply.text or None)
    assert all(isinstance(choice, dict) for choice in sent["choices"])
    writer = Chunks("r", "panel")
    parts = [
        writer.delta(
            Delta(run_id="r", path="", at=0.0, text=text, kind=kind, answer=True, index=index, data=said)
        )
        for text, kind, index, said in ear.heard
    ]
    for event in by_the_book(b"".join((*parts, writer.closing(answer), writer.usage(usage_of(answer))))):
        assert isinstance(json.loads(event)["choices"], list)
