"""A client that leaves: every call upstream ends with it, and nothing is left behind."""

import asyncio
import contextlib
import socket
import time

import openai
import pytest

from tests.server.hosting import configured, hosted
from tests.server.serving import KEY

USER = [{"role": "user", "content": "why"}]
BOUND = 4 * 0.25
"""Seconds within which every upstream call has to be gone: four times what is measured alone."""


def until(condition, within=5):
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def leave(served, *, stream, ready):
    """Ask on a plain socket and close it once `ready`; return when that was."""
    connection = served.connection()
    body = b'{"model": "panel", "messages": [{"role": "user", "content": "why"}], "stream": %b}'
    headers = {"authorization": f"Bearer {KEY}"}
    connection.request(
        "POST", "/v1/chat/completions", body % (b"true" if stream else b"false"), headers=headers
    )
    with contextlib.closing(connection):
        until(ready)
    return time.monotonic()


def aborted(up, models, left):
    """Every call of these models was cut off within the bound."""
    up.wait_idle(BOUND)
    took = time.monotonic() - left
    assert took < BOUND
    assert all(call.status == "aborted" for model in models for call in up.of(model))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["hang", "hang_after:1"])
def test_leaving_while_proposing_ends_every_proposer(up, served, stream, fault):
    up.behaves |= dict.fromkeys(("one", "two", "three"), fault)
    left = leave(served, stream=stream, ready=lambda: len(up.open) == 3)
    aborted(up, ("one", "two", "three"), left)
    assert up.of("lead") == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["hang", "tokens:100+pace:0.05"])
def test_leaving_while_aggregating_ends_the_aggregator(up, served, stream, fault):
    up.behaves["lead"] = fault
    left = leave(served, stream=stream, ready=lambda: bool(up.of("lead")))
    aborted(up, ("lead",), left)


def test_stopping_the_stream_of_the_official_client_ends_the_aggregator(up, client):
    up.behaves["lead"] = "tokens:500+pace:0.02"
    with client.chat.completions.create(model="panel", messages=USER, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    aborted(up, ("lead",), time.monotonic())


async def test_cancelling_the_asynchronous_client_ends_the_proposers(up, served):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "hang")
    async with openai.AsyncOpenAI(base_url=served.base_url, api_key=KEY) as client:
        task = asyncio.create_task(client.chat.completions.create(model="panel", messages=USER))
        while len(up.open) < 3:
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = time.monotonic()
        await up.idle(BOUND)
        assert time.monotonic() - left < BOUND


def test_a_client_that_resets_its_connection_is_noticed_too(up, served):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "hang")
    connection = served.connection()
    body = b'{"model": "panel", "messages": [{"role": "user", "content": "why"}]}'
    connection.request("POST", "/v1/chat/completions", body, headers={"authorization": f"Bearer {KEY}"})
    until(lambda: len(up.open) == 3)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    aborted(up, ("one", "two", "three"), time.monotonic())


async def test_after_a_storm_of_cancellations_a_small_pool_still_works(up):
    lab = {"base_url": up.base_url, "api_key": "${LAB_KEY}", "price": 0, "concurrency": 4}
    config = configured(up, providers={"lab": lab})
    body = {"model": "panel", "messages": USER}

    async def ask(client, within):
        with contextlib.suppress(openai.APITimeoutError):
            return await client.with_options(timeout=within).chat.completions.create(**body)

    with hosted(config) as server:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
            up.behaves |= dict.fromkeys(("one", "two", "three"), "sleep:0.05")
            for _ in range(3):
                await asyncio.gather(*(ask(client, 0.02 + 0.005 * place) for place in range(30)))
            await up.idle(BOUND)
            up.behaves.clear()
            answers = await asyncio.gather(*(ask(client, 10) for _ in range(30)))
    assert len([answer for answer in answers if answer is not None]) == 30
