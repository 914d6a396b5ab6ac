"""A limit of runs at once: ten times the capacity, those who wait, those who leave, those who are refused."""

import asyncio
import contextlib
import json
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import openai
import pytest

from moakit.server.app import create_app
from tests.server.conftest import LAB_KEY
from tests.server.hosting import asked, configured, hosted
from tests.server.serving import KEY, serving

USER = [{"role": "user", "content": "why"}]
SLEEP = 0.2
PLACES = 10
LIMITED = f"""
[providers.lab]
base_url = "${{LAB_URL}}"
api_key = "${{LAB_KEY}}"
price = 0

[ensembles.solo]
model = "lab/sleep:{SLEEP}"

[ensembles.hasty]
layers = ["lab/sleep:{SLEEP}"]
deadline = 0.3

[server]
keys = ["${{MOA_SERVER_KEY}}"]
concurrency = {PLACES}
"""


@pytest.fixture
def environ(up):
    return {"LAB_URL": up.base_url, "LAB_KEY": LAB_KEY, "MOA_SERVER_KEY": KEY}


def until(condition, within=5):
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class Clients:
    """Many clients on kept-alive connections, each asking again as soon as it was answered or refused."""

    def __init__(self, port, *, pause):
        self.port = port
        self.pause = pause
        self.statuses = Counter()
        self.refusals = []
        self.seconds = []

    async def load(self, number, seconds):
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._one(end, stream=bool(at % 2)) for at in range(number)))

    async def _one(self, end, *, stream):
        body = json.dumps({"model": "solo", "messages": USER, "stream": stream}).encode()
        request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode() + body
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while time.monotonic() < end:
                began = time.monotonic()
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                status = int(head.split(b" ")[1])
                if b"transfer-encoding: chunked" in head:
                    await reader.readuntil(b"0\r\n\r\n")
                else:
                    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                    content = await reader.readexactly(length)
                if status != 200:
                    self.refusals.append((head, json.loads(content)["error"]))
                    self.seconds.append(time.monotonic() - began)
                if began + SLEEP < end:
                    self.statuses[status] += 1
                if status != 200:
                    await asyncio.sleep(self.pause)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def resident(pid):
    """The memory a process holds, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc")
def test_ten_times_the_capacity_leaves_the_goodput_and_nothing_behind(up, environ, tmp_path):
    seconds = 3.0
    with serving(tmp_path, LIMITED, **environ) as server:
        pid = server.process.pid
        asyncio.run(Clients(server.port, pause=SLEEP).load(10 * PLACES, 1.0))  # so that pools are warm
        until(lambda: not up.open)
        memory, files = resident(pid), descriptors(pid)
        up.reset()
        clients = Clients(server.port, pause=SLEEP)
        asyncio.run(clients.load(10 * PLACES, seconds))
        assert up.peak == PLACES
        assert clients.statuses[200] >= 0.6 * PLACES * (seconds - SLEEP) / SLEEP
        assert clients.statuses.keys() == {200, 503}
        assert clients.statuses[503] > clients.statuses[200]
        assert statistics.median(clients.seconds) < SLEEP
        for head, error in clients.refusals:
            assert b"\r\nretry-after: 1\r\n" in head and b"\r\nx-should-retry: true\r\n" in head
            assert error["code"] == "server_overloaded" and error["type"] == "server_error"
        up.wait_idle()
        assert resident(pid) < memory + 20
        until(lambda: descriptors(pid) <= files)
        began = time.monotonic()
        assert server.chat("solo").status == 200
        assert time.monotonic() - began < 4 * SLEEP


@contextlib.contextmanager
def full(up, server, *, stream=False):
    """One run that has the only place until the block ends."""
    up.behaves["lead"] = "hang"
    connection = server.connection()
    body = json.dumps({"model": "panel", "messages": USER, "stream": stream})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"})
    until(lambda: len(up.open) == 1)
    # The call is open before the upstream has looked up what to do with it.
    time.sleep(0.3)
    up.behaves["lead"] = "say:done"
    try:
        yield
    finally:
        connection.close()


SOLO = {"panel": {"model": "lab/lead"}, "hasty": {"layers": ["lab/lead"], "deadline": 0.2}}


def limited(up, *, ensembles=SOLO, concurrency=1, **server):
    return configured(up, ensembles=ensembles, concurrency=concurrency, **server)


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_waits_is_sent_nothing_until_its_turn(up, stream):
    with hosted(limited(up, queue=1)) as server:
        replies = []
        thread = threading.Thread(target=lambda: replies.append(server.chat(stream=stream)))
        with full(up, server):
            thread.start()
            until(lambda: server.load.admission.waiting == 1)
            time.sleep(0.1)
            assert len(up.calls) == 1 and not replies
            for path in ("/readyz", "/livez", "/v1/models"):
                assert server.request("GET", path).status == 200
        thread.join(5)
        assert replies[0].status == 200 and b"done" in replies[0].body
        assert replies[0].headers["x-moa-run-id"]


def test_without_a_queue_the_next_one_is_refused_and_the_official_client_may_retry(up):
    with hosted(limited(up, queue=0)) as server:
        sdk = openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0)
        with full(up, server), sdk:
            for stream in (False, True):
                with pytest.raises(openai.InternalServerError) as caught:
                    sdk.chat.completions.create(model="panel", messages=USER, stream=stream)
                error = caught.value
                assert (error.status_code, error.code) == (503, "server_overloaded")
                assert "the server is busy: 1 runs and 0 waiting are all it takes" in error.message
                headers = error.response.headers
                assert headers["retry-after"] == "1" and headers["x-should-retry"] == "true"
            assert len(up.calls) == 1


def test_the_official_clients_own_retry_finds_the_place_that_came_free(up):
    answers = []

    def ask():
        with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=1) as patient:
            answers.append(patient.chat.completions.create(model="panel", messages=USER))

    with hosted(limited(up, queue=0)) as server:
        thread = threading.Thread(target=ask)
        with full(up, server):
            thread.start()
            time.sleep(0.5)
            assert len(up.calls) == 1 and not answers
        thread.join(10)
        assert answers[0].choices[0].message.content == "done"


def test_the_queue_is_as_long_as_there_are_places_by_default(up):
    with hosted(limited(up)) as server:
        replies = []
        thread = threading.Thread(target=lambda: replies.append(server.chat().status))
        with full(up, server):
            thread.start()
            until(lambda: server.load.admission.waiting == 1)
            assert "1 runs and 1 waiting are all it takes" in server.chat("hasty").error["message"]
        thread.join(5)
        assert replies == [200]


def test_nobody_waits_longer_than_its_ensembles_deadline(up):
    with hosted(limited(up, queue=5)) as server, full(up, server):
        began = time.monotonic()
        reply = server.chat("hasty")
        assert reply.status == 503 and time.monotonic() - began < 4 * 0.2
        assert reply.error["message"].endswith("no place came free within 0.2 s") or (
            "would exceed the 0.2 s" in reply.error["message"]
        )
        assert len(up.calls) == 1


def test_retry_after_tells_the_recent_run_time(up):
    ensembles = {"panel": {"model": "lab/lead"}, "slow": {"model": "lab/sleep:1.2"}}
    with hosted(limited(up, ensembles=ensembles, queue=0)) as server:
        assert server.chat("slow").status == 200
        with full(up, server):
            assert 2 <= int(server.chat().headers["retry-after"]) <= 8


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_leaves_while_it_waits_frees_its_place_at_once(up, stream):
    with hosted(limited(up, queue=1)) as server, full(up, server):
        body = json.dumps({"model": "panel", "messages": USER, "stream": stream})
        connection = server.connection()
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"})
        until(lambda: server.load.admission.waiting == 1)
        assert "1 waiting" in server.chat("hasty").error["message"]
        connection.close()
        until(lambda: server.load.admission.waiting == 0)
        assert len(up.calls) == 1


async def test_a_run_that_fails_or_is_cut_off_gives_its_place_back(up):
    app = create_app(limited(up, queue=0))
    body = {"model": "panel", "messages": USER}
    for fault, status in (("status:403", 502), ("empty", 502), ("say:x", 200)):
        up.behaves["lead"] = fault
        for stream in (False, True):
            reply = await asked(app, "POST", "/v1/chat/completions", body | {"stream": stream})
            assert reply.status == status
    up.behaves["lead"] = "hang"
    task = asyncio.create_task(asked(app, "POST", "/v1/chat/completions", body))
    while not up.open:
        await asyncio.sleep(0.002)
    assert (await asked(app, "POST", "/v1/chat/completions", body)).status == 503
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.05)
    up.behaves["lead"] = "say:x"
    assert (await asked(app, "POST", "/v1/chat/completions", body)).status == 200
    assert (app.load.admission.running, app.load.admission.waiting, app.load.running) == (0, 0, 0)


async def test_background_tasks_and_both_addresses_share_the_places(up):
    up.behaves["lead"] = "hang"
    app = create_app(limited(up, queue=0))
    body = {"model": "panel", "messages": USER}
    task = asyncio.create_task(asked(app, "POST", "/openwebui/v1/chat/completions", body))
    while not up.open:
        await asyncio.sleep(0.002)
    headers = {b"x-moa-task": b"title_generation"}
    reply = await asked(app, "POST", "/v1/chat/completions", body, headers=headers)
    assert reply.status == 503 and len(up.calls) == 1
    task.cancel()
    await asyncio.wait([task])


async def test_a_bad_request_is_a_bad_request_even_when_all_places_are_taken(up):
    up.behaves["lead"] = "hang"
    app = create_app(limited(up, queue=0))
    task = asyncio.create_task(
        asked(app, "POST", "/v1/chat/completions", {"model": "panel", "messages": USER})
    )
    while not up.open:
        await asyncio.sleep(0.002)
    assert (await asked(app, "POST", "/v1/chat/completions", {"messages": []})).status == 400
    task.cancel()
    await asyncio.wait([task])


async def test_without_a_limit_there_is_no_admission(up):
    app = create_app(configured(up))
    assert app.load.admission is None and app.load.shares == {}


def test_those_who_wait_when_the_server_stops_are_told_so(up, environ, tmp_path):
    toml = LIMITED.replace(f"concurrency = {PLACES}", "concurrency = 1\nqueue = 5")
    replies = []
    with serving(tmp_path, toml.replace(f"sleep:{SLEEP}", "sleep:1"), **environ) as server:

        def ask(**fields):
            replies.append(server.chat("solo", **fields))

        threads = [threading.Thread(target=ask, kwargs={"stream": at % 2 == 0}) for at in range(4)]
        threads[0].start()
        until(lambda: len(up.open) == 1)
        for thread in threads[1:]:
            thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        server.process.terminate()
        for thread in threads:
            thread.join(5)
        assert server.process.wait(5) == 0
        assert time.monotonic() - began < 4
    assert sorted(reply.status for reply in replies) == [200, 503, 503, 503]
    for reply in replies[:3]:
        assert reply.status == 503 and "shutting down" in reply.error["message"]
    assert "finishing 1 answer," in "".join(server.told)
    assert len(up.calls) == 1
