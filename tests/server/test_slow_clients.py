"""A client that reads slowly, or not at all: the upstream is held back, in the end the client is let go."""

import contextlib
import json
import socket
import subprocess
import time

import pytest

from moakit.server import connections
from tests.server.hosting import configured, hosted
from tests.server.serving import KEY

ROOM = 8 * 1024 * 1024
"""The most a connection may hold, in bytes."""


WORDS, WORD = 20_000, "Q" * 1000
BULK = f"tokens:{WORDS}+say:{WORD}"
"""More than what the sockets of both sides take in by themselves."""


def until(condition, within=5):
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextlib.contextmanager
def listening(server, *, stream=True):
    """A client with a small window that has asked and reads only when it is told to."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", server.port))
        user = {"role": "user", "content": "why"}
        body = json.dumps({"model": "panel", "messages": [user], "stream": stream})
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        yield client


def rest(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    parts = []
    while part := client.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def held_back(up):
    """The upstream's call, once it sends no more although it is not done."""
    until(lambda: bool(up.of("lead")) and up.of("lead")[0].sent > 0)
    call = up.of("lead")[0]
    sent = -1
    while call.sent != sent:
        sent = call.sent
        time.sleep(0.2)
    return call


def memory(server):
    """What the server's process holds, in bytes."""
    told = subprocess.check_output(["ps", "-o", "rss=", "-p", str(server.process.pid)])
    return int(told) * 1024


def test_a_client_that_does_not_read_holds_the_upstream_back(up, served):
    served.chat()
    up.reset()
    up.behaves["lead"] = BULK
    before = memory(served)
    with listening(served) as client:
        call = held_back(up)
        assert call.status == "open"
        assert memory(served) - before < ROOM
        data = rest(client)
    assert data.count(b"Q") == WORDS * len(WORD)
    assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert call.status == "done"


def test_a_client_that_stops_reading_is_closed_after_the_write_timeout(up, monkeypatch):
    monkeypatch.setattr(connections, "WRITE_TIMEOUT", 0.4)
    up.behaves["lead"] = BULK
    with hosted(configured(up)) as server, listening(server) as client:
        call = held_back(up)
        until(lambda: call.status == "aborted")
        with contextlib.suppress(ConnectionResetError):
            assert not rest(client).endswith(b"[DONE]\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_reads_slowly_is_not(up, monkeypatch, stream):
    monkeypatch.setattr(connections, "WRITE_TIMEOUT", 0.3)
    up.behaves["lead"] = "tokens:2000+say:" + WORD if stream else "huge:2"
    with hosted(configured(up)) as server, listening(server, stream=stream) as client:
        slowly, data = time.monotonic() + 1.2, b""
        while time.monotonic() < slowly:
            data += client.recv(8192)
            time.sleep(0.02)
        data += rest(client)
    assert data.count(b"Q") == 2_000_000 if stream else data.count(b"x" * 1000) == 2_000


def test_others_are_served_meanwhile(up, served):
    up.behaves["lead"] = BULK
    with listening(served):
        held_back(up)
        up.behaves["lead"] = "say:quick"
        began = time.monotonic()
        assert served.chat().json["choices"][0]["message"]["content"] == "quick"
        assert time.monotonic() - began < 1
