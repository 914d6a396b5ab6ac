"""The life of a connection: used again, closed at once, gone stale."""

import asyncio

import pytest

from moakit.errors import BadResponse, ConnectionFailed
from tests.lab import quiet
from tests.models.wire import Ear, ask, model_on

ENDINGS = [
    "say:a",
    "say:a+nodone",
    "say:a+usage_before",
    "say:a+crlf+comments",
    "say:a+bytewise",
    "tokens:300",
]


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_connection_is_used_again_after_an_answer(up, streamed, name):
    for _ in range(3):
        await ask(model_on(up, name), streamed=streamed)
    assert len({call.connection for call in up.calls}) == up.connections == 1


async def test_a_connection_is_used_again_after_a_refusal(up, streamed):
    for _ in range(2):
        with pytest.raises(BadResponse):
            await ask(model_on(up, "status:503"), streamed=streamed)
    assert len({call.connection for call in up.calls}) == up.connections == 1


@pytest.mark.parametrize("name", ["hang", "sleep:5", "ttft:5", "tokens:9+hang_after:3", "tokens:99+pace:0.1"])
async def test_a_cancelled_call_is_closed_at_once(up, streamed, name):
    loop = asyncio.get_running_loop()
    task = loop.create_task(ask(model_on(up, name), streamed=streamed))
    while not up.open:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    cancelled = loop.time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle()
    assert up.calls[0].status == "aborted" and up.calls[0].aborted_at - cancelled < 1
    await quiet()


async def test_a_storm_of_cancellations_leaves_a_pool_that_works(up, streamed):
    model = model_on(up, "sleep:0.2+say:a")
    tasks = [asyncio.create_task(ask(model, streamed=streamed)) for _ in range(60)]
    for number, task in enumerate(tasks[:50]):
        asyncio.get_running_loop().call_later(number * 0.003, task.cancel)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [reply.text for reply in ended[50:]] == ["a"] * 10
    assert all(isinstance(error, asyncio.CancelledError) for error in ended[:50])
    await up.idle()


async def test_a_connection_that_was_closed_as_it_was_used_again_says_so(up, streamed):
    model = model_on(up, "stale+say:a")
    await ask(model, streamed=streamed)
    with pytest.raises(ConnectionFailed) as caught:
        await ask(model, streamed=streamed)
    assert caught.value.reused
    assert (await ask(model, streamed=streamed)).text == "a"


async def test_silence_after_the_end_is_not_waited_for(up):
    loop = asyncio.get_running_loop()
    started = loop.time()
    reply = await ask(model_on(up, "say:a_b+silent_end"), streamed=True)
    assert reply.text == "a b" and loop.time() - started < 2
    await up.idle()
    assert up.calls[0].status == "aborted"


async def test_a_broken_stream_closes_its_connection(up):
    with pytest.raises(BadResponse):
        await ask(model_on(up, "tokens:9+badchunk:3+pace:0.1"), streamed=True)
    await up.idle()
    assert up.calls[0].status == "aborted"


async def test_a_reader_that_is_behind_holds_the_stream_back(up):
    ear = Ear(full=True)
    await ask(model_on(up, "tokens:5+pace:0.01"), ear=ear)
    assert ear.drained >= 2


async def test_providers_with_other_connect_times_do_not_share_a_pool(up):
    for connect in (1.0, 2.0):
        await ask(model_on(up, "say:a", connect=connect))
    assert up.connections == 2
