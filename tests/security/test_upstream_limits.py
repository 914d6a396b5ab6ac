"""An upstream without end or measure: a typed error, soon, and bounded memory."""

import gzip
import json
import re
import time
import tracemalloc

import pytest

import moakit
from moakit.errors import BadResponse, CallError, ModelTimeout
from moakit.models import discover, openai
from moakit.models.sse import LIMIT
from tests.lab import quiet
from tests.security.pouring import EVENTS, HEAD, JSON, Pouring

MB = 1024 * 1024
BLOCK = b"x" * (64 * 1024)


def bomb(text: bytes, times: int) -> bytes:
    return gzip.compress(text * times, 9)


async def ask(server: Pouring, *, streamed: bool, timeout: float = 20, retries: int = 2):
    """Ask once; return the error, the memory it took at most in MB, and the seconds."""
    lab = moakit.Provider("lab", base_url=server.base_url, api_key="k")
    ensemble = moakit.Sequential(lab("m", timeout=timeout), retries=retries)
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(CallError) as caught:
            await (streamed_from(ensemble) if streamed else ensemble.run("hi"))
        peak = tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()
    await moakit.aclose()
    return caught.value, peak, time.monotonic() - started


async def streamed_from(ensemble):
    async with ensemble.stream("hi") as stream:
        return "".join([text async for text in stream.text])


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_without_end(streamed):
    async with Pouring(JSON, again=BLOCK) as server:
        error, peak, _ = await ask(server, streamed=streamed)
        assert isinstance(error, BadResponse) and "larger than" in error.message
        assert server.requests == 1
        assert server.sent < openai.ANSWER_LIMIT + 8 * MB
    assert peak < 3 * openai.ANSWER_LIMIT / MB


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_length_that_is_too_large_is_not_read_at_all(streamed):
    async with Pouring(JSON + b"Content-Length: 99999999999\r\n\r\n", again=BLOCK, chunked=False) as server:
        error, peak, _ = await ask(server, streamed=streamed)
        assert "larger than" in error.message
        assert server.sent < 8 * MB
    assert peak < 16


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"0x10", b"9" * 500, b"5, 6"])
async def test_a_length_that_is_none(length):
    async with Pouring(
        JSON + b"Content-Length: " + length + b"\r\n\r\n", again=BLOCK, chunked=False
    ) as server:
        error, peak, _ = await ask(server, streamed=False, retries=0)
        assert isinstance(error, BadResponse)
    assert peak < 32


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_bomb_that_unpacks_to_four_times_what_is_taken(streamed):
    head = JSON if not streamed else EVENTS
    packed = bomb(b"x" * MB, 256)
    assert len(packed) < 2 * MB
    async with Pouring(head + b"Content-Encoding: gzip\r\n", pieces=[packed]) as server:
        error, peak, _ = await ask(server, streamed=streamed)
        assert "larger than" in error.message
    assert peak < 4 * openai.ANSWER_LIMIT / MB


async def test_a_line_of_64_megabytes():
    async with Pouring(EVENTS, pieces=[b"data: ", *[BLOCK] * 1024]) as server:
        error, peak, seconds = await ask(server, streamed=True)
        assert isinstance(error, BadResponse) and "an event of the stream is larger than" in error.message
        assert server.requests == 1
        assert server.sent < LIMIT + 8 * MB
    assert peak < 4 * LIMIT / MB
    assert seconds < 20


CHUNK = json.dumps({"choices": [{"index": 0, "delta": {"content": "word " * 2000}}]}).encode()


@pytest.mark.parametrize(
    "event", [b"data: " + CHUNK + b"\n\n", b": ping\n\n" * 500, b"data:\n" * 500, b"id: 1\r\r" * 500]
)
async def test_a_stream_without_end(monkeypatch, event):
    monkeypatch.setattr(openai, "STREAM_LIMIT", 2 * MB)
    async with Pouring(EVENTS, again=event) as server:
        error, peak, _ = await ask(server, streamed=True)
        assert isinstance(error, BadResponse) and "larger than" in error.message
        assert server.requests == 1
        assert server.sent < 16 * MB
    assert peak < 64


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("head", "again"),
    [
        (HEAD + b"x: ", BLOCK),
        (b"HTTP/1.1 200 ", BLOCK),
        (b"", BLOCK),
        (HEAD, b"a: b\r\n" * 1000),
        (HEAD, b"a: " + b"b" * 4000 + b"\r\n"),
        (JSON + b"Transfer-Encoding: chunked\r\n\r\n5;", BLOCK),
        (JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 1000),
    ],
    ids=[
        "one header",
        "status line",
        "no line",
        "many headers",
        "long headers",
        "chunk extension",
        "trailers",
    ],
)
async def test_headers_without_end(streamed, head, again):
    async with Pouring(head, again=again, chunked=False) as server:
        error, peak, _ = await ask(server, streamed=streamed, retries=0, timeout=1)
        assert isinstance(error, CallError)
        # What stands between the pieces of a body is passed over, for as long as the call may take.
        assert server.sent < 64 * MB or b"5;" in head
    assert peak < 64


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"a"),
        (JSON + b"Content-Length: 100000\r\n\r\n", b" "),
        (EVENTS + b"Content-Length: 100000\r\n\r\n", b"\n"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", b" "),
    ],
    ids=["interim answers", "headers", "body", "events", "refusal"],
)
async def test_a_trickle_ends_with_the_calls_time(streamed, head, again):
    async with Pouring(head, again=again, chunked=False, pause=0.02) as server:
        error, _, seconds = await ask(server, streamed=streamed, retries=0, timeout=0.5)
    assert isinstance(error, ModelTimeout)
    assert 0.4 < seconds < 4


@pytest.mark.parametrize("status", [b"400", b"401", b"429", b"500"])
async def test_a_refusal_without_end_is_read_as_far_as_it_matters(status):
    async with Pouring(b"HTTP/1.1 " + status + b" No\r\n", again=BLOCK) as server:
        error, peak, _ = await ask(server, streamed=False, retries=0)
        assert error.status == int(status)
        assert len(str(error)) < 1000
        assert server.sent < 8 * MB
    assert peak < 16


def calls(*places: int) -> bytes:
    found = [{"index": place, "id": "c", "function": {"name": "f", "arguments": "{}"}} for place in places]
    return (
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": found}}]}).encode() + b"\n\n"
    )


@pytest.mark.parametrize(
    "places", [(10_000,), (-1,), tuple(range(5000)), (10**30,)], ids=["far", "below", "many", "huge"]
)
async def test_tool_calls_without_number(places):
    end = b'data: {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}\n\ndata: [DONE]\n\n'
    async with Pouring(EVENTS, pieces=[calls(*places), end]) as server:
        error, _, _ = await ask(server, streamed=True, retries=0)
        assert isinstance(error, BadResponse) and re.search("index|tool calls", error.message)


async def test_tool_calls_without_number_in_one_piece():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = {
        "choices": [
            {"message": {"content": None, "tool_calls": [call] * 5000}, "finish_reason": "tool_calls"}
        ]
    }
    async with Pouring(JSON, pieces=[json.dumps(answer).encode()]) as server:
        error, _, _ = await ask(server, streamed=False, retries=0)
        assert isinstance(error, BadResponse) and "tool calls" in error.message


@pytest.mark.parametrize("filler", [b"{},", b"[],", b"1.5,", b'"ab",', b"[[[[[[[[[]]]]]]]]],"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_of_millions_of_pieces(filler, streamed):
    body = b'{"x": [' + filler * (12 * MB // len(filler)) + b"0]}"
    pieces = [body] if not streamed else [b"data: " + body + b"\n\n"]
    async with Pouring(EVENTS if streamed else JSON, pieces=pieces) as server:
        error, peak, _ = await ask(server, streamed=streamed, retries=0)
        assert isinstance(error, BadResponse)
    assert peak < 400


@pytest.mark.parametrize("depth", [1000, 200_000, 5_000_000])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_nested_without_end(depth, streamed):
    body = b'{"choices": ' + b"[" * depth
    async with Pouring(
        EVENTS if streamed else JSON, pieces=[b"data: " + body + b"\n\n" if streamed else body]
    ) as server:
        error, _, _ = await ask(server, streamed=streamed, retries=0)
        assert isinstance(error, BadResponse)


async def test_a_list_of_models_without_end():
    async with Pouring(JSON, again=BLOCK) as server:
        with pytest.raises(ValueError, match="larger than"):
            await discover.list_models(moakit.Provider("lab", base_url=server.base_url).endpoint)
        assert server.sent < discover.LIST_LIMIT + 8 * MB
    await quiet()
