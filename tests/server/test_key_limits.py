"""A key with a concurrency of its own: one request more is refused at once, other keys go on."""

import asyncio
import threading
import time

import openai
import pytest

from moakit.server.access import WHO, Access
from moakit.server.app import create_app
from tests.server.hosting import asked, configured, hosted
from tests.server.serving import KEY

USER = [{"role": "user", "content": "why"}]
BODY = {"model": "panel", "messages": USER}
CHAT = "/v1/chat/completions"
KEYS = [KEY, {"key": "alices-key", "name": "alice", "concurrency": 2}, {"key": "bobs-key", "concurrency": 1}]
SOLO = {"panel": {"model": "lab/lead"}}


@pytest.fixture
def config(up):
    return configured(up, ensembles=SOLO, keys=KEYS)


async def hold(up, app, key, number):
    """Requests of a key that do not end."""
    up.behaves["lead"] = "hang"
    tasks = [asyncio.create_task(asked(app, "POST", CHAT, BODY, key=key)) for _ in range(number)]
    while len(up.open) < number:
        await asyncio.sleep(0.002)
    up.behaves["lead"] = "say:done"
    return tasks


async def end(*tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.05)


async def test_one_more_than_a_key_may_have_is_refused_and_other_keys_go_on(up, config):
    app = create_app(config)
    tasks = await hold(up, app, "alices-key", 2)
    for path in (CHAT, "/openwebui/v1/chat/completions"):
        reply = await asked(app, "POST", path, BODY, key="alices-key")
        assert reply.status == 429 and reply.error["code"] == "rate_limit_exceeded"
        assert reply.error["type"] == "rate_limit_error"
        assert "the key 'alice' may have 2 requests at once" in reply.error["message"]
        assert reply.headers["retry-after"] == "1" and reply.headers["x-should-retry"] == "true"
    assert (await asked(app, "GET", "/v1/models", key="alices-key")).status == 200
    for key in (KEY, "bobs-key"):
        assert (await asked(app, "POST", CHAT, BODY, key=key)).status == 200
    await end(tasks[0])
    assert (await asked(app, "POST", CHAT, BODY, key="alices-key")).status == 200
    await end(*tasks)


async def test_a_key_without_a_name_is_called_by_its_place_and_no_key_is_ever_told(up, config):
    app = create_app(config)
    tasks = await hold(up, app, "bobs-key", 1)
    reply = await asked(app, "POST", CHAT, BODY, key="bobs-key")
    assert "the key 'keys[2]' may have 1 requests" in reply.error["message"]
    assert b"bobs-key" not in reply.body
    await end(*tasks)


async def test_every_way_to_end_gives_the_place_back(up, config):
    app = create_app(config)
    for fault, body, status in (
        ("say:x", BODY, 200),
        ("say:x", BODY | {"stream": True}, 200),
        ("status:403", BODY, 502),
        ("say:x", {"messages": []}, 400),
        ("say:x", b"{", 400),
    ):
        up.behaves["lead"] = fault
        assert (await asked(app, "POST", CHAT, body, key="bobs-key")).status == status
    assert app.load.shares["keys[2]"].running == 0


async def test_what_stands_behind_the_check_is_told_whose_key_it_was(config):
    seen = []

    async def behind(scope, receive, send):
        seen.append(scope.get(WHO))

    access = Access(behind, config.server_keys)
    for key in (KEY, "alices-key", "bobs-key"):
        headers = [(b"authorization", b"Bearer " + key.encode())]
        await access({"type": "http", "path": "/", "headers": headers}, None, None)
    await Access(behind, [])({"type": "http", "path": "/", "headers": []}, None, None)
    assert seen == ["keys[0]", "alice", "keys[2]", None]


def test_the_official_client_raises_a_rate_limit_error_and_its_retry_is_answered(up, config):
    with hosted(config) as server:
        up.behaves["lead"] = "sleep:0.5"
        first = threading.Thread(target=server.chat, kwargs={"key": "bobs-key"})
        first.start()
        while not up.open:
            time.sleep(0.002)
        once = openai.OpenAI(base_url=server.base_url, api_key="bobs-key", max_retries=0)
        twice = openai.OpenAI(base_url=server.base_url, api_key="bobs-key", max_retries=2)
        with once, twice:
            for stream in (False, True):
                with pytest.raises(openai.RateLimitError) as caught:
                    once.chat.completions.create(model="panel", messages=USER, stream=stream)
                assert caught.value.code == "rate_limit_exceeded"
                assert int(caught.value.response.headers["retry-after"]) >= 1
            up.behaves["lead"] = "say:done"
            answer = twice.chat.completions.create(model="panel", messages=USER)
        first.join()
        assert answer.choices[0].message.content == "done"
