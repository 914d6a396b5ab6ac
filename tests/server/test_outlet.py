"""What goes out to one client of a stream, in order and with a connection that can be slow or closed."""

import asyncio

import pytest

from moakit.events import Delta
from moakit.run.journey import Journey
from moakit.server.outlet import Outlet
from moakit.server.requests import Work


class Client:
    """Takes what is sent, one message at a time, when it is told to."""

    def __init__(self):
        self.open = asyncio.Event()
        self.taken = []

    async def send(self, message):
        await self.open.wait()
        self.taken.append(message)

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.taken)


@pytest.fixture
async def client():
    return Client()


@pytest.fixture
async def outlet(client):
    work = Work("panel", None, (), {}, stream=True, include_usage=False, events=False)
    made = Outlet(work, client.send, report="total")
    made.attend(Journey())
    yield made
    made.close()


def piece(text):
    return Delta(run_id="run_1", path="1.0", at=1.0, text=text, answer=True)


async def test_nothing_is_lost_when_the_task_that_writes_is_cancelled(client, outlet):
    for text in ("one", "two"):
        outlet.read(piece(text))
        task = asyncio.create_task(outlet.drain())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    client.open.set()
    outlet.read(piece("three"))
    await outlet.drain()
    assert [message["type"] for message in client.taken].count("http.response.start") == 1
    assert client.taken[0]["type"] == "http.response.start"
    assert client.body.index(b'"one"') < client.body.index(b'"two"') < client.body.index(b'"three"')
    assert client.body.count(b'"role":"assistant"') == 1


async def test_two_that_write_at_once_wait_for_each_other(client, outlet):
    outlet.read(piece("one"))
    first = asyncio.create_task(outlet.drain())
    await asyncio.sleep(0)
    outlet.read(piece("two"))
    second = asyncio.create_task(outlet.drain())
    await asyncio.sleep(0)
    client.open.set()
    await asyncio.gather(first, second)
    assert client.body.index(b'"one"') < client.body.index(b'"two"')


async def test_it_is_full_until_what_there_is_was_sent(client, outlet):
    assert not outlet.full
    outlet.read(piece("one"))
    assert outlet.full
    client.open.set()
    await outlet.drain()
    assert not outlet.full
