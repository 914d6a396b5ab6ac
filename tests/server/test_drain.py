"""SIGTERM: not ready at once, nothing new taken in, running answers finished, exit code 0."""

import asyncio
import contextlib
import http.client
import json
import signal
import socket
import threading
import time

import aiohttp
import openai
import pytest

from tests.server.conftest import CONFIG, LAB_KEY
from tests.server.serving import KEY, read, serving

USER = [{"role": "user", "content": "why"}]


@pytest.fixture
def environ(up):
    return {"LAB_URL": up.base_url, "LAB_KEY": LAB_KEY, "MOA_SERVER_KEY": KEY}


def until(condition, within=5):
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_streams_finish_and_nothing_new_is_taken_in(up, environ, tmp_path):
    up.behaves["lead"] = "tokens:10+pace:0.25"
    answers, kept = [], []

    def ask(client):
        stream = client.chat.completions.create(model="panel", messages=USER, stream=True)
        answers.append("".join(chunk.choices[0].delta.content or "" for chunk in stream))

    with (
        serving(tmp_path, CONFIG, **environ) as server,
        openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client,
    ):
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        until(lambda: len(up.of("lead")) == 20)
        with contextlib.closing(server.connection()) as connection:
            connection.request("GET", "/readyz")
            assert read(connection).status == 200
            server.process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            status = 200
            while status == 200:
                connection.request("GET", "/readyz")
                status = read(connection).status
                assert time.monotonic() - told < 1
            assert status == 503
        assert server.request("GET", "/livez").status == 200
        refused = server.chat()
        assert refused.status == 503 and "shutting down" in refused.error["message"]
        assert int(refused.headers["retry-after"]) >= 1 and refused.headers["connection"] == "close"
        kept.append(server.chat(stream=True).status)
        for thread in threads:
            thread.join(10)
        assert server.process.wait(5) == 0
    assert kept == [503]
    assert answers == ["w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"] * 20
    assert len(up.of("lead")) == 20
    assert "finishing 20 answers, at most 30 s" in "".join(server.told)


def test_after_the_drain_time_what_still_runs_is_told_and_ended(up, environ, tmp_path):
    up.behaves |= {"lead": "tokens:3+hang_after:1"}
    config = CONFIG.replace("[server]", "[server]\ndrain = 0.5")
    replies = {}
    with serving(tmp_path, config, **environ) as server:

        def ask(name, **fields):
            replies[name] = server.chat(**fields)

        def lag():
            # A body that is still on its way when the server stops.
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.putrequest("POST", "/v1/chat/completions")
            connection.putheader("authorization", f"Bearer {KEY}")
            connection.putheader("content-length", "100")
            connection.endheaders(b'{"model":')
            replies["late"] = read(connection)
            connection.close()

        threads = [
            threading.Thread(target=ask, args=("streamed",), kwargs={"stream": True}),
            threading.Thread(target=ask, args=("whole",)),
            threading.Thread(target=lag),
        ]
        for thread in threads:
            thread.start()
        until(lambda: len(up.of("lead")) == 2)
        time.sleep(0.1)
        began = time.monotonic()
        assert server.stop() == 0
        assert 0.4 < time.monotonic() - began < 4
        for thread in threads:
            thread.join(5)
    assert replies["whole"].status == replies["late"].status == 503
    assert "shutting down" in replies["whole"].error["message"]
    assert replies["streamed"].status == 200 and b'"w1"' in replies["streamed"].body
    last = json.loads(replies["streamed"].body.rpartition(b"data: ")[2])
    assert "shutting down" in last["error"]["message"] and last["choices"] == []
    up.wait_idle()
    assert all(call.status == "aborted" for call in up.of("lead"))


async def streamed(session, server, begun):
    """Read a stream to its end, and tell when it has begun; return its status and its body."""
    body = {"model": "panel", "messages": USER, "stream": True}
    async with session.post(f"{server.base_url}/chat/completions", json=body) as response:
        first = await response.content.readany()
        begun.append(first)
        return response.status, first + await response.read()


@contextlib.asynccontextmanager
async def a_hundred_streams(server):
    """A hundred streams, each of which has begun."""
    key, free = {"authorization": f"Bearer {KEY}"}, aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=free, headers=key) as session:
        begun = []
        streams = [asyncio.create_task(streamed(session, server, begun)) for _ in range(100)]
        end = time.monotonic() + 20
        while len(begun) < 100:
            assert time.monotonic() < end, len(begun)
            await asyncio.sleep(0.01)
        yield session, streams


async def test_a_hundred_streams_finish_while_nothing_new_is_taken_in(up, environ, tmp_path):
    up.behaves["lead"] = "tokens:12+pace:0.5"
    with serving(tmp_path, CONFIG, **environ) as server:
        async with a_hundred_streams(server) as (session, streams):
            server.process.send_signal(signal.SIGTERM)
            told, status = time.monotonic(), 200
            while status == 200:
                async with session.get(f"http://127.0.0.1:{server.port}/readyz") as response:
                    status = response.status
                assert time.monotonic() - told < 1
            refused = await asyncio.gather(*(streamed(session, server, []) for _ in range(20)))
            answers = await asyncio.gather(*streams)
        assert await asyncio.to_thread(server.process.wait, 5) == 0
    assert status == 503
    assert "finishing 100 answers, at most 30 s" in "".join(server.told)
    assert [code for code, _ in refused] == [503] * 20
    for code, body in answers:
        assert code == 200 and b'"error"' not in body and body.endswith(b"data: [DONE]\n\n")
        assert all(b'"content":" w%d"' % number in body for number in range(2, 13))
    assert len(up.calls) == 400 and not up.open


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_hundred_streams_that_are_ended_are_told_so(up, environ, tmp_path, signals):
    up.behaves["lead"] = "tokens:1000+pace:0.1"
    # Either the drain time is too short for them, or a second signal does not let them have it.
    config = CONFIG.replace("[server]", f"[server]\ndrain = {0.5 if signals == 1 else 60}")
    with serving(tmp_path, config, **environ) as server:
        async with a_hundred_streams(server) as (_, streams):
            server.process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            if signals == 2:
                while "finishing 100 answers" not in "".join(server.told):
                    await asyncio.sleep(0.002)
                server.process.send_signal(signal.SIGTERM)
            answers = await asyncio.gather(*streams)
            assert await asyncio.to_thread(server.process.wait, 10) == 0
            assert time.monotonic() - told < 8
    for code, body in answers:
        assert code == 200 and b'"content":"w1"' in body and b"[DONE]" not in body
        last = json.loads(body.rpartition(b"data: ")[2])
        assert "shutting down" in last["error"]["message"] and last["choices"] == []
    await up.idle()
    assert [call.status for call in up.of("lead")] == ["aborted"] * 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain(up, environ, tmp_path, number):
    up.behaves["lead"] = "hang"
    with serving(tmp_path, CONFIG, **environ) as server:
        thread = threading.Thread(target=server.chat)
        thread.start()
        until(lambda: bool(up.of("lead")))
        server.process.send_signal(number)
        until(lambda: "finishing 1 answer" in "".join(server.told))
        server.process.send_signal(number)
        assert server.process.wait(4) == 0
        thread.join(5)


def test_an_idle_server_ends_at_once(environ, tmp_path):
    with serving(tmp_path, CONFIG, **environ) as server:
        connection = server.connection()
        connection.request("GET", "/livez")
        assert read(connection).status == 200
        began = time.monotonic()
        assert server.stop() == 0  # although the connection is kept alive
        assert time.monotonic() - began < 2
        connection.close()


def test_a_client_that_reads_nothing_does_not_hold_the_server_up(up, environ, tmp_path):
    up.behaves["lead"] = "tokens:20000+say:" + "x" * 1000
    config = CONFIG.replace("[server]", "[server]\ndrain = 0.3")
    with serving(tmp_path, config, **environ) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        body = json.dumps({"model": "panel", "messages": USER, "stream": True})
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}".encode()
        )
        until(lambda: bool(up.of("lead")) and up.of("lead")[0].sent > 100_000)
        time.sleep(0.3)
        assert server.stop(within=6) == 0
