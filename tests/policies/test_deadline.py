"""Ending a block at a time."""

import asyncio

import pytest

from moakit.errors import DeadlineExceeded, ModelTimeout
from moakit.policies.deadline import Deadline
from moakit.policies.timers import Timers


def deadline(seconds, name="late"):
    return Deadline(asyncio.get_running_loop().time() + seconds, lambda: DeadlineExceeded(name))


async def asleep(*blocks, seconds=10.0):
    """Sleep inside these blocks, the first one outermost."""
    if blocks:
        with blocks[0]:
            await asleep(*blocks[1:], seconds=seconds)
    else:
        await asyncio.sleep(seconds)


@pytest.mark.parametrize("seconds", [0.1, 0, -5])
async def test_a_block_is_ended_at_its_time(seconds):
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(DeadlineExceeded, match="late"):
        await asleep(deadline(seconds))
    assert loop.time() - started < 3
    assert asyncio.current_task().cancelling() == 0


async def test_a_block_that_ends_in_time_is_left_alone():
    await asleep(deadline(0.05), seconds=0)
    await asyncio.sleep(0.1)


async def test_a_cancellation_from_outside_is_not_swallowed():
    task = asyncio.create_task(asleep(deadline(5)))
    await asyncio.sleep(0.01)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task


async def test_an_error_of_the_block_is_passed_on():
    with pytest.raises(KeyError), deadline(5):
        raise KeyError


@pytest.mark.parametrize(
    ("outer", "inner", "name"), [(0.05, 5, "outer"), (5, 0.05, "inner"), (0.05, 0.05, "outer")]
)
async def test_the_first_of_two_ends_the_block(outer, inner, name):
    with pytest.raises(DeadlineExceeded, match=name):
        await asleep(deadline(outer, "outer"), deadline(inner, "inner"))
    assert asyncio.current_task().cancelling() == 0


async def test_timers_inside_have_their_own_error():
    with pytest.raises(ModelTimeout):
        await asleep(deadline(5), Timers("lab/m", total=0.05))
    with pytest.raises(DeadlineExceeded):
        await asleep(deadline(0.05), Timers("lab/m", total=5))


async def test_it_stands_inside_an_asyncio_timeout():
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(asleep(deadline(0.05)), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asleep(deadline(5)), 0.05)
