"""So many runs at once, so many waiting in order, the others refused at once with an honest wait."""

import asyncio
import gc

import pytest

from moakit.policies.admission import RECENT, Admission, Overloaded

LONG = 60.0


async def waiting(admission, number, *, patience=LONG):
    """Tasks that wait for their turn, in order."""
    tasks = [asyncio.create_task(admission.turn(patience)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


def practised(admission, seconds, times=RECENT):
    """Let an admission believe that its runs take so long."""
    for _ in range(times):
        admission.leave(admission.enter() - seconds)
    return admission


async def test_as_many_run_as_may_and_the_next_ones_wait_in_order():
    admission = Admission(2, 3)
    began = [await admission.turn(LONG) for _ in range(2)]
    tasks = await waiting(admission, 3)
    assert (admission.running, admission.waiting) == (2, 3)
    for place, task in enumerate(tasks):
        assert [task.done() for task in tasks] == [True] * place + [False] * (3 - place)
        admission.leave(began[0])
        began[0] = await task
        assert admission.running == 2
    for one in began:
        admission.leave(one)
    assert (admission.running, admission.waiting) == (0, 0)


async def test_one_more_than_the_queue_takes_is_refused_at_once():
    admission = Admission(1, 1)
    await admission.turn(LONG)
    (task,) = await waiting(admission, 1)
    with pytest.raises(Overloaded, match="1 runs and 1 waiting"):
        await admission.turn(LONG)
    assert not task.done() and admission.waiting == 1
    task.cancel()


async def test_nobody_overtakes_one_who_waits():
    admission = Admission(1, 5)
    began = await admission.turn(LONG)
    (first,) = await waiting(admission, 1)
    admission.leave(began)
    late = asyncio.create_task(admission.turn(LONG))
    await asyncio.sleep(0)
    assert first.done() and not late.done()
    with pytest.raises(Overloaded):
        admission.enter()
    late.cancel()


async def test_without_a_queue_there_is_only_now():
    admission = practised(Admission(4), 12)
    for _ in range(4):
        admission.enter()
    with pytest.raises(Overloaded) as caught:
        admission.enter()
    assert caught.value.retry_after == pytest.approx(3, rel=0.05)


async def test_the_wait_is_position_times_run_time_over_the_places():
    admission = practised(Admission(2, 10), 8)
    for _ in range(2):
        admission.enter()
    tasks = await waiting(admission, 3)
    with pytest.raises(Overloaded, match="about 16 s would exceed the 15 s") as caught:
        await admission.turn(15)
    assert caught.value.retry_after == pytest.approx(16, rel=0.05)
    (fits,) = await waiting(admission, 1, patience=17)
    assert admission.waiting == 4
    for task in (*tasks, fits):
        task.cancel()


async def test_recent_runs_count_and_those_of_long_ago_do_not():
    admission = practised(Admission(1, 10), 100)
    practised(admission, 2, times=10 * RECENT)
    admission.enter()
    with pytest.raises(Overloaded) as caught:
        admission.enter()
    assert caught.value.retry_after == pytest.approx(2, rel=0.1)


async def test_runs_that_hang_count_by_their_age():
    admission = practised(Admission(1, 10), 0.1)
    admission.leave(admission.enter())
    admission.enter()
    await asyncio.sleep(0.3)
    with pytest.raises(Overloaded, match=r"would exceed the 0\.25 s"):
        await admission.turn(0.25)


async def test_before_anything_is_known_a_second_is_asked_for():
    admission = Admission(1)
    admission.enter()
    with pytest.raises(Overloaded) as caught:
        admission.enter()
    assert caught.value.retry_after == 1


async def test_one_who_leaves_the_queue_frees_its_place_at_once():
    admission = Admission(1, 2)
    began = await admission.turn(LONG)
    first, second = await waiting(admission, 2)
    first.cancel()
    await asyncio.sleep(0)
    assert admission.waiting == 1
    (third,) = await waiting(admission, 1)
    admission.leave(began)
    await second
    assert not third.done()
    third.cancel()


async def test_a_place_given_to_one_who_leaves_at_that_moment_goes_to_the_next():
    admission = Admission(1, 2)
    began = await admission.turn(LONG)
    first, second = await waiting(admission, 2)
    admission.leave(began)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    admission.leave(await second)
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_place_is_not_given_to_one_who_has_just_left():
    admission = Admission(1, 2)
    began = await admission.turn(LONG)
    first, second = await waiting(admission, 2)
    first.cancel()
    admission.leave(began)
    admission.leave(await second)
    assert first.cancelled() and (admission.running, admission.waiting) == (0, 0)


async def test_nobody_waits_longer_than_there_is_time():
    admission = Admission(1, 2)
    admission.enter()
    with pytest.raises(Overloaded, match=r"no place came free within 0\.05 s"):
        await admission.turn(0.05)
    assert (admission.running, admission.waiting) == (1, 0)


async def test_closing_refuses_those_who_wait_and_whoever_would_have_to():
    admission = Admission(1, 5)
    began = await admission.turn(LONG)
    tasks = await waiting(admission, 3)
    assert admission.close() == 3
    for task in tasks:
        with pytest.raises(Overloaded):
            await task
    with pytest.raises(Overloaded):
        await admission.turn(LONG)
    admission.leave(began)
    assert admission.running == 0
    admission.leave(await admission.turn(LONG))  # a request that was being read may still run


async def test_a_storm_of_arrivals_and_cancellations_leaves_nothing_behind(caplog):
    admission = Admission(5, 20)
    ended = {"ran": 0, "refused": 0, "left": 0}
    most = 0

    async def one(number):
        nonlocal most
        await asyncio.sleep(number % 7 * 0.001)
        try:
            began = await admission.turn(0.02 if number % 5 else LONG)
        except Overloaded:
            ended["refused"] += 1
            return
        try:
            most = max(most, admission.running)
            await asyncio.sleep(0.003)
            ended["ran"] += 1
        finally:
            admission.leave(began)

    tasks = [asyncio.create_task(one(number)) for number in range(600)]
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            await asyncio.sleep(0)
            ended["left"] += task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (admission.running, admission.waiting) == (0, 0)
    assert most == 5 and ended["ran"] > 0 and ended["refused"] > 0 and ended["left"] > 0
    gc.collect()
    assert not caplog.records  # no exception that nobody looked at
