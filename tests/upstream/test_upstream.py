"""The upstream remembers its calls, keeps time and goes up and down."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.upstream import Upstream
from tests.upstream.client import Client, settled

pytestmark = pytest.mark.asyncio


async def test_calls_are_remembered(up: Upstream, client: Client) -> None:
    async with client.session.post(
        f"{up.base_url}/chat/completions",
        json={
            "model": "m",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "a b"}]}],
            "seed": 7,
        },
        headers={"Authorization": "Bearer secret"},
    ) as response:
        await response.read()
    (call,) = up.calls
    assert (call.method, call.path, call.model, call.key) == ("POST", "/v1/chat/completions", "m", "secret")
    assert (call.body["seed"], call.prompt, call.status, call.code) == (7, "a b", "done", 200)
    assert call.headers["content-type"] == "application/json"
    assert call.finished_at is not None and call.finished_at >= call.at
    up.reset()
    assert up.calls == []


async def test_behaviour_can_be_given_to_any_name(up: Upstream, client: Client) -> None:
    up.behaves["gpt"] = "status:503"
    assert (await client.json("gpt"))["error"]["code"] == "service_unavailable"
    up.behaves["gpt"] = "say:back"
    assert await client.text("gpt") == "back"


async def test_hang_never_answers_and_the_abort_is_seen_at_once(up: Upstream, client: Client) -> None:
    task = asyncio.create_task(client.text("hang"))
    while not up.open:
        await asyncio.sleep(0.001)
    task.cancel()
    left = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle()
    call = up.calls[0]
    assert call.status == "aborted" and call.aborted_at is not None and call.aborted_at - left < 0.1


async def test_idle_names_what_is_open(up: Upstream, client: Client) -> None:
    task = asyncio.create_task(client.text("hang"))
    while not up.open:
        await asyncio.sleep(0.001)
    with pytest.raises(TimeoutError, match="hang"):
        await up.idle(timeout=0.01)
    task.cancel()


async def test_time_is_as_asked(client: Client) -> None:
    start = time.monotonic()
    async with client.post("ttft:0.1+pace:0.05+tokens:3", stream=True) as response:
        assert time.monotonic() - start < 0.08
        await response.read()
    assert 0.18 < time.monotonic() - start < 0.4
    start = time.monotonic()
    async with client.post("sleep:0.1", stream=True) as response:
        assert time.monotonic() - start > 0.09
        await response.read()
    start = time.monotonic()
    await client.text("sleep:0.05+pace:0.01+tokens:5")
    assert time.monotonic() - start > 0.09


async def test_peak_counts_calls_at_once_and_connections_are_kept(up: Upstream, client: Client) -> None:
    await asyncio.gather(*(client.text("sleep:0.05") for _ in range(7)))
    assert up.peak == 7 and not up.open
    await client.text("a")
    assert up.connections == 7 and up.calls[-1].connection in {call.connection for call in up.calls[:7]}


async def test_models_and_unknown_routes(up: Upstream, client: Client) -> None:
    up.models = ["a", {"id": "b", "context_length": 4096}]
    async with client.session.get(f"{up.base_url}/models") as response:
        entries = (await response.json())["data"]
    assert [entry["id"] for entry in entries] == ["a", "b"] and entries[1]["context_length"] == 4096
    async with client.session.get(f"{up.base_url}/nothing") as response:
        assert response.status == 404
    assert (await client.json("tokens:many"))["error"]["code"] == "bad_part"


async def test_other_keys_are_refused() -> None:
    async with Upstream(keys={"secret"}) as up, aiohttp.ClientSession() as session:
        for key, status in (("secret", 200), ("other", 401)):
            headers = {"Authorization": f"Bearer {key}"}
            async with session.get(f"{up.base_url}/models", headers=headers) as response:
                assert response.status == status


async def test_it_can_go_down_and_come_back(up: Upstream, client: Client) -> None:
    await client.text("a")
    await up.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.text("a")
    await up.start()
    assert await client.text("say:back") == "back"


async def test_chunked_requests_and_slow_readers(up: Upstream, client: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"model": "say:a", "messages": '
        yield b'[{"role": "user", "content": "hi"}]}'

    async with client.session.post(f"{up.base_url}/chat/completions", data=pieces()) as response:
        assert (await response.json())["choices"][0]["message"]["content"] == "a"
    async with client.post("huge:30", stream=True) as response:
        await asyncio.sleep(0.2)
        assert up.calls[-1].sent < 20_000_000
        assert response.status == 200
    assert await settled(up.calls[-1]) == "aborted"
