"""The timers of one attempt."""

import asyncio
import time

import pytest

from moakit.errors import ModelTimeout
from moakit.policies.timers import Timers


async def tick(timers, *, every, times):
    for _ in range(times):
        await asyncio.sleep(every)
        timers.beat()


async def silent(timers, *, every=0.0, times=0):
    with timers:
        await tick(timers, every=every, times=times)
        await asyncio.sleep(10)


async def expiry(timers, **beats):
    """Return what ended a block that fell silent, and after how long."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(ModelTimeout) as caught:
        await silent(timers, **beats)
    return caught.value, loop.time() - started


async def test_the_first_token_has_its_timer():
    error, seconds = await expiry(Timers("lab/m", total=5, first_token=0.1, idle=5))
    assert (error.timer, error.model, error.message) == ("first_token", "lab/m", "no token within 0.1 s")
    assert 0.09 < seconds < 3


async def test_silence_between_tokens_has_its_timer():
    error, seconds = await expiry(Timers("lab/m", total=5, first_token=1, idle=0.1), every=0.02, times=3)
    assert (error.timer, error.message) == ("idle", "no further token for 0.1 s")
    assert 0.15 < seconds < 3


@pytest.mark.parametrize("first_token", [3, None])
async def test_silence_counts_from_the_first_token_on_however_long_that_one_may_take(first_token):
    error, seconds = await expiry(
        Timers("lab/m", total=5, first_token=first_token, idle=0.1), every=0.02, times=1
    )
    assert error.timer == "idle" and 0.11 < seconds < 3


async def test_the_whole_has_its_timer():
    error, seconds = await expiry(Timers("lab/m", total=0.2, first_token=5, idle=5), every=0.04, times=50)
    assert (error.timer, error.message) == ("total", "no complete answer within 0.2 s")
    assert 0.19 < seconds < 3


async def test_without_other_timers_only_the_whole_counts():
    error, _ = await expiry(Timers("lab/m", total=0.1))
    assert error.timer == "total"


async def test_tokens_postpone_the_end():
    timers = Timers("lab/m", total=5, first_token=0.5, idle=0.5)
    with timers:
        await tick(timers, every=0.1, times=7)
    assert not timers.expired


async def resting(timers, *, beats_again):
    with timers:
        timers.beat()
        timers.rest()
        await asyncio.sleep(0.25)
        if beats_again:
            timers.beat()
            await asyncio.sleep(10)


async def test_silence_that_is_ours_does_not_count():
    await resting(Timers("lab/m", total=5, first_token=5, idle=0.1), beats_again=False)


async def test_after_a_rest_silence_counts_again():
    with pytest.raises(ModelTimeout) as caught:
        await resting(Timers("lab/m", total=5, first_token=5, idle=0.1), beats_again=True)
    assert caught.value.timer == "idle"


async def test_a_rest_does_not_put_off_the_whole():
    with pytest.raises(ModelTimeout) as caught:
        await resting(Timers("lab/m", total=0.1, idle=5), beats_again=False)
    assert caught.value.timer == "total"


async def test_a_block_that_ends_in_time_is_left_alone():
    with Timers("lab/m", total=0.05, first_token=0.05):
        pass
    await asyncio.sleep(0.1)
    assert asyncio.current_task().cancelling() == 0


async def test_an_error_of_the_block_is_passed_on():
    with pytest.raises(KeyError), Timers("lab/m", total=1):
        raise KeyError


async def test_a_cancellation_from_outside_is_not_swallowed():
    task = asyncio.create_task(silent(Timers("lab/m", total=5, first_token=5)))
    await asyncio.sleep(0.01)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task


async def test_a_cancellation_at_the_same_moment_as_a_timer_wins():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(silent(Timers("lab/m", total=0.05)))
    await asyncio.sleep(0)
    loop.call_later(0.05, task.cancel)
    time.sleep(0.1)  # noqa: ASYNC251 - both are due when the loop comes round again
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_outer_timeout_is_a_timeout():
    with pytest.raises(TimeoutError) as caught:
        await asyncio.wait_for(silent(Timers("lab/m", total=5)), 0.05)
    assert not isinstance(caught.value, ModelTimeout)


async def test_an_inner_timeout_is_a_timeout():
    with Timers("lab/m", total=5), pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(10), 0.05)


async def test_a_timer_that_fired_leaves_an_outer_timeout_working():
    async def twice_silent():
        async with asyncio.timeout(0.15):
            with pytest.raises(ModelTimeout):
                await silent(Timers("lab/m", total=0.05))
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        await twice_silent()
    assert asyncio.current_task().cancelling() == 0


async def test_a_block_that_makes_another_error_of_it_leaves_nothing_cancelled():
    async def converting():
        with Timers("lab/m", total=0.05):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await converting()
    assert asyncio.current_task().cancelling() == 0


async def test_timers_stand_inside_timers():
    async def nested():
        with Timers("lab/outer", total=5):
            await silent(Timers("lab/inner", total=0.05))

    with pytest.raises(ModelTimeout) as caught:
        await nested()
    assert caught.value.model == "lab/inner"


async def test_what_is_due_expires_in_a_loop_that_is_late():
    async def late():
        with Timers("lab/m", total=0.05):
            time.sleep(0.1)  # noqa: ASYNC251 - the loop is late
            await asyncio.sleep(10)

    with pytest.raises(ModelTimeout):
        await late()
