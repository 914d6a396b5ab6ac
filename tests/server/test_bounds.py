"""How much one request may ask for: beyond each limit it is refused, with the limit and the remedy."""

import contextlib
import json
import re
import socket

import pytest

from moakit.server.app import create_app
from tests.server.hosting import PANEL, asked, configured, hosted
from tests.server.serving import KEY

USER = [{"role": "user", "content": "why"}]
CHAT = "/v1/chat/completions"
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


async def ask(app, **fields):
    return await asked(app, "POST", CHAT, {"model": "panel", "messages": USER, **fields})


BEYOND = {
    "messages": ({"messages": USER * 100_000}, "messages", "100,000 messages; 10,000 are allowed"),
    "choices": ({"n": 17}, "n", "from 1 to 16"),
    "max_tokens": ({"max_tokens": 1_000_001}, "max_tokens", "from 1 to 1,000,000"),
    "max_completion_tokens": ({"max_completion_tokens": 10**30}, "max_completion_tokens", "to 1,000,000"),
    "tools": ({"tools": [TOOL] * 513}, "tools", "513 entries; 512 are allowed"),
    "functions": ({"functions": [TOOL] * 513}, "functions", "513 entries; 512 are allowed"),
    "stops": ({"stop": ["a"] * 65}, "stop", "65 entries; 64 are allowed"),
    "tokens": (
        {"messages": [{"role": "user", "content": "word " * 1_000_000}]},
        "messages",
        r"about 1,250,00\d tokens; 1,000,000 are allowed",
    ),
    "tokens of images": (
        {"messages": [{"role": "user", "content": [IMAGE] * 2_000}]},
        "messages",
        r"about 1,600,\d{3} tokens; 1,000,000 are allowed",
    ),
}


@pytest.mark.parametrize(("fields", "param", "said"), BEYOND.values(), ids=BEYOND)
async def test_a_request_beyond_a_limit_is_a_bad_request(up, fields, param, said):
    reply = await ask(create_app(configured(up)), **fields)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert re.search(said, reply.error["message"]) and len(reply.error["message"]) < 300
    assert up.calls == []


WITHIN = {
    "choices": {"n": 16},
    "max_tokens": {"max_tokens": 1_000_000},
    "tools": {"tools": [TOOL] * 512},
    "stops": {"stop": ["a"] * 64},
    "one stop": {"stop": "a" * 1000},
}


@pytest.mark.parametrize("fields", WITHIN.values(), ids=WITHIN)
async def test_a_request_just_within_a_limit_is_answered(up, fields):
    assert (await ask(create_app(configured(up)), **fields)).status == 200


LONG = "word " * 1_000
PLACES = {
    "a message": {"messages": [{"role": "user", "content": LONG}]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]},
    "many messages": {"messages": [{"role": "user", "content": "word"}] * 250},
    "a tool": {"tools": [TOOL | {"description": LONG}]},
    "a function": {"functions": [{"name": "f", "description": LONG}]},
    "a tool's call": {
        "messages": [
            *USER,
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": LONG}}]},
        ]
    },
    "a response format": {"response_format": {"type": "json_schema", "description": LONG}},
    "an agent's system prompt": {"moa": {"proposers": [{"model": "lab/x", "system": LONG}]}},
    "images": {"messages": [{"role": "user", "content": [IMAGE, IMAGE]}]},
}


@pytest.mark.parametrize("fields", PLACES.values(), ids=PLACES)
async def test_all_that_a_model_reads_counts_as_tokens(up, fields):
    app = create_app(configured(up, max_prompt_tokens=1_000))
    reply = await ask(app, **fields)
    assert reply.status == 400 and "server.max_prompt_tokens" in reply.error["message"]
    assert up.calls == []
    assert (await ask(create_app(configured(up, max_prompt_tokens=3_000)), **fields)).status == 200


async def test_a_number_too_large_for_json_does_not_break_the_count(up):
    tools = [TOOL | {"seed": 10**30, "description": LONG}]
    assert (await ask(create_app(configured(up, max_prompt_tokens=100)), tools=tools)).status == 400


CHANGES = {
    "retries": ({"retries": 11}, "moa.retries", "more than the 10 allowed"),
    "a deadline": ({"deadline": 3601}, "moa.deadline", "more than the 3600 s allowed"),
    "a deadline without end": ({"deadline": 1e300}, "moa.deadline", "3600 s allowed"),
    "a deadline beyond floats": ({"deadline": 10**400}, "moa.deadline", "3600 s allowed"),
    "a longer answer": ({"max_tokens": 2_000_000}, "moa.max_tokens", "more than the 1,000,000 allowed"),
    "an agent's longer answer": (
        {"aggregator": {"model": "lab/x", "max_tokens": 2_000_000}},
        "moa.aggregator.max_tokens",
        "more than the 1,000,000 allowed",
    ),
    "choices of a proposer": (
        {"proposers": [{"model": "lab/x", "extra": {"n": 100}}]},
        "moa.proposers[0].extra.n",
        "from 1 to 16",
    ),
    "an answer's length beside the settings": (
        {"aggregator": {"model": "lab/x", "extra": {"max_completion_tokens": 10**9}}},
        "moa.aggregator.extra.max_completion_tokens",
        "to 1,000,000",
    ),
    "fallbacks": ({"fallback": ["lab/x"] * 9}, "moa.fallback", "9 agents; 8 are allowed"),
    "fallbacks of fallbacks": (
        {"proposers": [{"model": "lab/x", "fallback": {"model": "lab/y", "fallback": ["lab/z"] * 8}}]},
        "moa.proposers[0].fallback",
        "9 agents; 8 are allowed",
    ),
    "calls": ({"samples": 100, "layers": 3}, "moa", "601 calls; 128 are allowed"),
    "calls beyond counting": ({"samples": 10**9}, "moa", "far more calls than the 128 allowed"),
}


@pytest.mark.parametrize(("moa", "param", "said"), CHANGES.values(), ids=CHANGES)
async def test_a_change_beyond_a_limit_is_a_bad_request(up, moa, param, said):
    reply = await ask(create_app(configured(up)), moa=moa)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert said in reply.error["message"]
    assert up.calls == []


async def test_changes_within_the_limits_are_made(up):
    moa = {
        "retries": 10, "deadline": 3600, "max_tokens": 1_000_000, "fallback": ["lab/y"] * 8,
        "proposers": [{"model": "lab/x", "samples": 127, "extra": {"n": 2}}],
    }  # fmt: skip
    assert (await ask(create_app(configured(up)), moa=moa)).status == 200
    assert len(up.of("x")) == 127


async def test_an_operator_sets_calls_and_deadline(up):
    app = create_app(configured(up, max_calls=5, max_deadline=60))
    assert (await ask(app, moa={"samples": 2})).status == 400
    assert (await ask(app, moa={"layers": 3})).status == 400
    reply = await ask(app, moa={"deadline": 301})
    assert reply.status == 400 and "server.max_deadline" in reply.error["message"]
    assert up.calls == []
    # What the ensemble takes anyway may be asked for.
    assert (await ask(app, moa={"deadline": 300, "layers": 2})).status == 200


async def test_an_ensemble_beyond_the_limits_may_still_be_changed(up):
    large = {"panel": {**PANEL, "samples": 3, "deadline": 7200}}
    app = create_app(configured(up, ensembles=large, max_calls=5))
    assert (await ask(app, moa={"deadline": 7000, "retries": 1})).status == 200
    assert (await ask(app, moa={"samples": 4})).status == 400
    assert (await ask(app, moa={"deadline": 7201})).status == 400


# Headers


def sent(served, pieces):
    """Send pieces as far as they are taken; return the status, the head and the body that come back."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        data = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in data and (part := connection.recv(65536)):
                data += part
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
            while len(body) < length and (part := connection.recv(65536)):
                body += part
    return int(head.split(b" ")[1]), head.lower(), body


START = f"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n".encode()
HEADS = {
    "one long header": [START + b"x-long: " + b"a" * 1_000_000 + b"\r\n\r\n"],
    "one header without end": [START + b"x-long: ", *[b"a" * 10_000] * 100],
    "many headers": [START + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 100) for n in range(10_000)) + b"\r\n"],
    "in one piece": [START + b"x-long: " + b"a" * 70_000 + b"\r\n\r\n"],
    "a long address": [b"GET /v1/models?" + b"a" * 1_000_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"],
    "in small pieces": [START, *[b"x-a: %b\r\n" % (b"a" * 1000)] * 200],
}


@pytest.mark.parametrize("pieces", HEADS.values(), ids=HEADS)
def test_headers_of_a_megabyte_are_refused(up, served, pieces):
    status, head, body = sent(served, pieces)
    assert status == 431 and b"connection: close" in head
    error = json.loads(body)["error"]
    assert error["code"] == "headers_too_large" and "65536 bytes" in error["message"]
    assert served.request("GET", "/livez").status == 200


def test_the_second_request_of_a_connection_is_bounded_as_well(up, served):
    one = START + b"\r\n"
    with contextlib.closing(served.connection()) as connection:
        for _ in range(300):  # more than the limit in all, but not each
            connection.request("GET", "/livez", headers={"x-long": "a" * 1000})
            response = connection.getresponse()
            assert response.status == 200 and response.read() == b"ok\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(one)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(ConnectionError):
            connection.sendall(START + b"x-long: " + b"a" * 200_000)
        data = b""
        with contextlib.suppress(ConnectionError):
            while b"headers_too_large" not in data and (part := connection.recv(65536)):
                data += part
    assert b"HTTP/1.1 431" in data


def test_long_headers_within_the_limit_and_a_large_body_at_once_are_taken(up):
    with hosted(configured(up)) as server:
        body = json.dumps({"model": "panel", "messages": [{"role": "user", "content": "a" * 300_000}]})
        reply = server.request("POST", CHAT, body.encode(), headers={"x-long": "a" * 60_000})
        assert reply.status == 200
