"""Bodies on a real socket: too large, lying about their length, never sent, deep, huge, odd."""

import contextlib
import json
import re
import socket
import time

import pytest

from moakit.server import requests
from tests.server.hosting import configured, hosted
from tests.server.serving import KEY

USER = [{"role": "user", "content": "why"}]
LIMIT = 1_048_576
HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"


@contextlib.contextmanager
def plain(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        yield connection


def answer(connection):
    """The status, the error and the headers of what comes back, read as far as it says it goes."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while not whole(data) and (part := connection.recv(65536)):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    error = json.loads(body).get("error") if body.startswith(b"{") else None
    return int(head.split(b" ")[1]), error, head.lower()


def whole(data):
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return length is not None and len(body) >= int(length[1])


def pour(connection, *, within):
    """Send chunks until the server has had enough of them."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        time.sleep(0.001)


def test_a_declared_length_beyond_the_limit_is_refused_before_it_is_sent(up, served):
    with plain(served) as connection:
        connection.sendall(f"{HEAD}content-length: {LIMIT + 1}\r\n\r\n".encode())
        status, error, head = answer(connection)
    assert (status, error["code"]) == (413, "request_too_large") and b"connection: close" in head
    assert f"{LIMIT + 1} bytes" in error["message"]


@pytest.mark.parametrize("length", [2**63, 10**30, "1" * 5000])
def test_an_absurd_length_is_refused(up, served, length):
    with plain(served) as connection:
        connection.sendall(f"{HEAD}content-length: {length}\r\n\r\n".encode())
        assert answer(connection)[0] in (400, 413)


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(up, served):
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with plain(served) as connection:
        connection.sendall(f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(LIMIT // 65536 + 2):
                connection.sendall(chunk)
        status, error, _ = answer(connection)
    assert (status, error["code"]) == (413, "request_too_large")


def test_a_client_that_sends_all_of_a_large_body_first_still_reads_its_answer(up, served):
    for _ in range(5):
        reply = served.request("POST", "/v1/chat/completions", b" " * (8 * LIMIT))
        assert (reply.status, reply.headers["connection"]) == (413, "close")


def test_a_body_without_end_is_not_read_for_ever(up, monkeypatch):
    monkeypatch.setattr(requests, "LINGER", 0.3)
    with hosted(configured(up, max_body=1024)) as server, plain(server) as connection:
        connection.sendall(f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            pour(connection, within=5)


def test_a_chunked_body_is_taken(up, served):
    body = json.dumps({"model": "panel", "messages": USER}).encode()
    pieces = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body)))
    with plain(served) as connection:
        connection.sendall(f"{HEAD}transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode())
        connection.sendall(pieces + b"0\r\n\r\n")
        assert answer(connection)[0] == 200


def test_a_body_of_just_the_limit_is_taken(up, served):
    body = json.dumps({"model": "panel", "messages": USER}).encode()
    assert served.request("POST", "/v1/chat/completions", body + b" " * (LIMIT - len(body))).status == 200
    assert served.request("POST", "/v1/chat/completions", body + b" " * (LIMIT + 1 - len(body))).status == 413


def test_a_body_that_ends_early_is_a_client_that_left(up, served):
    with plain(served) as connection:
        connection.sendall(f'{HEAD}content-length: 1000\r\n\r\n{{"messages": '.encode())
    time.sleep(0.05)
    assert served.chat().status == 200
    assert len(up.calls) == 4


def test_more_than_the_declared_length_is_not_read_as_part_of_it(up, served):
    body = json.dumps({"model": "panel", "messages": USER})
    with plain(served) as connection:
        connection.sendall(
            f"{HEAD}content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}}}}}garbage".encode()
        )
        assert answer(connection)[0] == 200


def test_a_body_that_never_comes_is_a_timeout(up, monkeypatch):
    monkeypatch.setattr(requests, "BODY_TIMEOUT", 0.2)
    with hosted(configured(up)) as server:
        for start in ("", '{"messages": '):
            began = time.monotonic()
            with plain(server) as connection:
                connection.sendall(f"{HEAD}content-length: 1000\r\n\r\n{start}".encode())
                status, error, head = answer(connection)
            assert status == 408 and "within 0.2 s" in error["message"] and b"connection: close" in head
            assert 0.15 < time.monotonic() - began < 2


def test_what_is_not_http_is_a_bad_request(served):
    with plain(served) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n")
        assert answer(connection)[0] == 400
    assert served.request("GET", "/livez").status == 200


def body(**fields):
    return json.dumps({"model": "panel", "messages": USER, **fields}).encode()


def deep(levels):
    return b'{"model": "panel", "messages": ' + json.dumps(USER).encode() + b', "metadata": ' + (
        b"[" * levels + b"]" * levels
    ) + b"}"  # fmt: skip


ODD = {
    "200,000 nested brackets": b"[" * 200_000 + b"]" * 200_000,
    "nested objects": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
    "200,000 open brackets": b"[" * 200_000,
    "brackets nested deep in a field": deep(100_000),
    "brackets nested as deep as the parser goes": deep(900),
    "brackets nested beyond use": deep(100),
    "changes nested deep": b'{"model": "panel", "messages": [{"role": "user"}], "moa": {"a":' + (
        b"[" * 900 + b"]" * 900 + b"}}"
    ),
    "NaN": body()[:-1] + b', "temperature": NaN}',
    "infinity": body()[:-1] + b', "temperature": -Infinity}',
    "a number too large": body()[:-1] + b', "temperature": 1e999}',
    "a 5,000-digit integer": body()[:-1] + b', "seed": ' + b"9" * 5000 + b"}",
    "a 5,000-digit limit": body()[:-1] + b', "max_tokens": ' + b"9" * 5000 + b"}",
    "a lone high surrogate": b'{"model": "panel", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "a lone low surrogate": b'{"model": "panel", "messages": [{"role": "user", "content": "a\\udfffb"}]}',
    "a lone surrogate as a name": body()[:-1] + b', "\\ud800": 1}',
    "bytes that are not UTF-8": b'{"model": "panel", "messages": [{"role": "user", "content": "\xff"}]}',
    "30,000 messages": body(messages=[{"role": "user", "content": ""}] * 30_000),
    "trailing commas": b'{"model": "panel",}',
    "a comment": b'{"model": "panel" /* why */}',
    "UTF-16": json.dumps({"messages": USER}).encode("utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD)
def test_an_odd_body_is_a_bad_request(up, served, sent):
    reply = served.request("POST", "/v1/chat/completions", sent)
    assert reply.status == 400 and reply.error["type"] == "invalid_request_error"
    assert len(reply.error["message"]) < 300
    assert up.calls == []


FINE = {
    "duplicate keys": b'{"model": "gone", ' + body()[1:],
    "an integer beyond 64 bits": body(seed=10**25),
    "unknown fields": body(tomorrow={"a": [1, None, "x"]}),
    "NUL and separators": body(messages=[{"role": "user", "content": "a\0b\u2028c\u0085d\U0001f511"}]),
    "an empty content": body(messages=[{"role": "user", "content": ""}]),
    "no content at all": body(messages=[{"role": "user"}]),
    "an empty list of parts": body(messages=[{"role": "user", "content": []}]),
    "parts of any type": body(
        messages=[{"role": "user", "content": [{"type": "x"}, {"type": "text", "text": 5}]}]
    ),
    "only a system message": body(messages=[{"role": "system", "content": "s"}]),
    "only an assistant": body(messages=[{"role": "assistant", "content": "s"}]),
    "a tool's result first": body(messages=[{"role": "tool", "content": "8", "tool_call_id": 5}]),
    "nesting within reason": deep(30),
    "many messages": body(messages=[{"role": "user", "content": ""}] * 9_999 + USER),
}


@pytest.mark.parametrize("sent", FINE.values(), ids=FINE)
def test_an_unusual_body_is_answered(up, served, sent):
    reply = served.request("POST", "/v1/chat/completions", sent)
    assert reply.status == 200, reply.body
    assert all(call.code == 200 for call in up.calls)


LONG = "x" * 500_000
TALKATIVE = [
    ("model", LONG),
    ("messages", [{"role": LONG, "content": "why"}]),
    ("moa", {LONG: 1}),
    ("moa", {"prompt": LONG}),
    ("moa", {"on_no_references": LONG}),
    ("moa", {"proposers": [f"{LONG}/x"], "aggregator": "lab/lead"}),
    ("moa", {"extra": {LONG: {"api_key": 1}}}),
]


@pytest.mark.parametrize(("field", "value"), TALKATIVE, ids=[field for field, _ in TALKATIVE])
def test_what_was_asked_for_comes_back_shortened(up, served, field, value):
    body = {"model": "panel", "messages": USER, field: value}
    reply = served.request("POST", "/v1/chat/completions", body)
    assert reply.status in (400, 404) and "xxx" in reply.error["message"]
    assert len(reply.body) < 25_000
    assert up.calls == []
