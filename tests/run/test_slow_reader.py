"""A reader that does not keep up holds the upstream back; memory stays bounded."""

import asyncio
import time

import pytest

from moakit import Delta, MoA, Proposers, Sequential
from moakit.run import stream as streams
from tests.lab import lab_on, until
from tests.upstream import Upstream

WORD = "x" * 2000
LONG = f"say:{WORD}+tokens:60000"  # 120 MB
BOUND = 40_000_000  # what the buffer holds, and the sockets of both sides, which the system may let grow


@pytest.mark.parametrize("bound", ["ROOM", "LENGTH"])
async def test_the_upstream_waits_for_the_reader(up, lab, bound, monkeypatch):
    monkeypatch.setattr(streams, *(("ROOM", 4) if bound == "ROOM" else ("LENGTH", 100_000)))
    async with MoA([lab("a")], lab(LONG)).stream("why") as stream:
        async for _ in stream.text:
            break
        (call,) = up.of(LONG)
        before = -1
        while before != call.sent:
            before = call.sent
            await asyncio.sleep(0.1)
        assert 0 < call.sent < BOUND
        waiting = [event for event in stream._events if type(event) is Delta]  # noqa: SLF001
        assert len(waiting) <= streams.ROOM
        assert sum(len(event.text) for event in waiting) < 4 * streams.LENGTH
        assert call.status == "open"


def test_the_upstream_waits_for_a_sync_reader():
    with Upstream.in_thread() as up:
        lead = lab_on(up)(LONG)
        with MoA([lab_on(up)("a")], lead).stream("why") as stream:
            for _ in stream.text:
                break
            (call,) = up.of(LONG)
            before = -1
            while before != call.sent:
                before = call.sent
                time.sleep(0.1)
            assert 0 < call.sent < BOUND and call.status == "open"
        up.wait_idle()


async def test_a_slow_reader_gets_every_token(up, lab, monkeypatch):
    monkeypatch.setattr(streams, "ROOM", 4)
    async with lab("tokens:3000").stream("why") as stream:
        read = []
        async for text in stream.text:
            read.append(text)
            if len(read) % 3 == 0:
                await asyncio.sleep(0.001)
    assert "".join(read) == stream.answer.text == " ".join(f"w{i}" for i in range(1, 3001))


def test_a_slow_sync_reader_gets_every_token(monkeypatch):
    monkeypatch.setattr(streams, "ROOM", 4)
    monkeypatch.setattr(streams, "LENGTH", 200)
    with Upstream.in_thread() as up, lab_on(up)("tokens:20000").stream("why") as stream:
        read = []
        for text in stream.text:
            read.append(text)
            time.sleep(0.001)
        assert "".join(read) == stream.answer.text


async def test_several_proposers_that_wait_for_the_reader_all_go_on(up, lab, monkeypatch):
    monkeypatch.setattr(streams, "ROOM", 2)
    team = Proposers(*[lab(f"tokens:20000+p{number}") for number in range(4)])
    async with Sequential(team, lab("say:done")).stream("why", proposers=True) as stream:
        async for _ in stream:
            await asyncio.sleep(0.002)
    assert [len(reference.text.split()) for reference in stream.answer.references] == [20000] * 4
    assert {call.attempts for call in stream.answer.calls} == {1}


async def test_a_slow_reader_is_not_a_silent_model(up, lab, monkeypatch):
    monkeypatch.setattr(streams, "LENGTH", 1000)
    ensemble = Sequential(lab("a"), lab(f"say:{WORD}+tokens:3000"), idle=0.4)
    async with ensemble.stream("why") as stream:
        pieces = 0
        async for _ in stream.text:
            pieces += 1
            if pieces == 1:
                await asyncio.sleep(1)
    assert len(stream.answer.text.split()) == 3000


async def test_leaving_while_the_upstream_is_held_back_ends_the_call(up, lab):
    async with lab(LONG).stream("why") as stream:
        async for _ in stream.text:
            break
        await until(lambda: stream.full)
    await up.idle()
    assert up.calls[0].status == "aborted"
