"""Who takes the place of one that failed."""

import asyncio

import pytest

from moakit.policies.refill import Refill


def bench_of(*names):
    async def answer(name):
        return name

    return [lambda name=name: answer(name) for name in names]


async def test_each_stands_in_once_and_in_order():
    loop = asyncio.get_running_loop()
    refill = Refill(bench_of("first", "second"), until=loop.time() + 60, loop=loop)
    errors = [ValueError(), KeyError(), TypeError()]
    tasks = [refill(error) for error in errors]
    assert [task and await task for task in tasks] == ["first", "second", None]
    assert refill.replaced == errors[:2]


async def test_nobody_stands_in_when_the_time_is_up():
    loop = asyncio.get_running_loop()
    refill = Refill(bench_of("first"), until=loop.time(), loop=loop)
    assert refill(ValueError()) is None and not refill.replaced


async def test_who_cannot_begin_replaces_nobody():
    def broken():
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    refill = Refill([broken], until=loop.time() + 60, loop=loop)
    with pytest.raises(ZeroDivisionError):
        refill(ValueError())
    assert not refill.replaced
