"""Waiting for several tasks."""

import asyncio
import gc

import pytest

from moakit.policies import quorum
from moakit.policies.quorum import collect, quorum_for


async def after(seconds, result="done"):
    await asyncio.sleep(seconds)
    if isinstance(result, Exception):
        raise result
    return result


def tasks_of(*parts):
    """Return tasks that end after so many seconds, with an error where one is given."""
    return [asyncio.create_task(after(*part) if isinstance(part, tuple) else after(part)) for part in parts]


async def ended(tasks, **settings):
    """Collect; return the seconds it took and what became of each task."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    await collect(tasks, **settings)
    assert all(task.done() for task in tasks)
    states = ["cancelled" if t.cancelled() else "failed" if t.exception() else "done" for t in tasks]
    return loop.time() - started, states


@pytest.mark.parametrize(
    ("width", "given", "enough"),
    [(1, None, 1), (2, None, 2), (3, None, 2), (6, None, 5), (3, 1, 1), (3, 9, 3), (1, 1, 1)],
)
def test_all_but_one_of_three_or_more_are_a_quorum(width, given, enough):
    assert quorum_for(width, given)[0] == enough


@pytest.mark.parametrize(
    ("width", "given", "minimum", "fewest"),
    [(1, None, 1, 1), (2, None, 1, 2), (3, None, 1, 1), (6, None, 4, 4), (3, None, 3, 3), (6, 4, 1, 4)],
)
def test_only_the_default_quorum_of_three_or_more_shrinks_with_failures(width, given, minimum, fewest):
    assert quorum_for(width, given, minimum)[1] == fewest


def test_the_default_quorum_is_never_below_the_minimum():
    assert quorum_for(3, None, 3) == (3, 3) and quorum_for(3, None, 9) == (3, 3)


async def test_all_that_come_at_once_are_waited_for():
    _, states = await ended(tasks_of(0, 0.01, 0.02), quorum=3)
    assert states == ["done"] * 3


async def test_after_the_quorum_the_rest_has_its_grace():
    seconds, states = await ended(tasks_of(0.01, 0.05, 0.1, 5), quorum=2, grace=0.4)
    assert states == ["done", "done", "done", "cancelled"]
    assert 0.44 < seconds < 3


async def test_the_last_one_within_the_grace_ends_it():
    seconds, states = await ended(tasks_of(0.01, 0.05), quorum=1, grace=5)
    assert states == ["done", "done"] and seconds < 3


async def test_without_grace_the_quorum_is_the_end():
    seconds, states = await ended(tasks_of(0.01, 5), quorum=1, grace=0)
    assert states == ["done", "cancelled"] and seconds < 3


async def test_the_grace_is_as_long_as_the_quorum_took(monkeypatch):
    monkeypatch.setattr(quorum, "GRACE", 0.01)
    seconds, states = await ended(tasks_of(0.25, 0.3, 5), quorum=1)
    assert states == ["done", "done", "cancelled"] and 0.49 < seconds < 3


async def test_the_grace_is_never_shorter_than_its_least(monkeypatch):
    monkeypatch.setattr(quorum, "GRACE", 0.4)
    seconds, states = await ended(tasks_of(0, 0.1, 5), quorum=1)
    assert states == ["done", "done", "cancelled"] and 0.39 < seconds < 3


async def test_failures_are_not_part_of_the_quorum():
    seconds, states = await ended(tasks_of((0, ValueError()), (0, ValueError()), 0.1), quorum=2, grace=0)
    assert states == ["failed", "failed", "done"] and seconds > 0.09


async def test_a_failure_takes_one_off_a_quorum_that_may_shrink():
    parts = [(0, ValueError()), 0.05, 0.1, 5]
    seconds, states = await ended(tasks_of(*parts), quorum=3, least=1, grace=0)
    assert states == ["failed", "done", "done", "cancelled"] and seconds < 3


async def test_a_failure_that_makes_the_quorum_begins_the_grace():
    parts = [0, (0.2, ValueError()), 0.35, 5]
    seconds, states = await ended(tasks_of(*parts), quorum=2, least=1, grace=0.4)
    assert states == ["done", "failed", "done", "cancelled"] and 0.59 < seconds < 3


async def test_a_quorum_shrinks_no_further_than_its_least():
    parts = [(0, ValueError()), (0, ValueError()), 0, 0.2]
    seconds, states = await ended(tasks_of(*parts), quorum=3, least=2, grace=0)
    assert states == ["failed", "failed", "done", "done"] and seconds > 0.19


async def test_without_a_least_a_quorum_does_not_shrink():
    seconds, states = await ended(tasks_of((0, ValueError()), 0, 5), quorum=2, grace=0, timeout=0.3)
    assert states == ["failed", "done", "cancelled"] and 0.29 < seconds < 3


async def test_the_timeout_ends_it_whatever_is_there():
    seconds, states = await ended(tasks_of(0.01, 5, 5), quorum=2, timeout=0.3)
    assert states == ["done", "cancelled", "cancelled"] and 0.29 < seconds < 3


async def test_the_timeout_ends_the_grace():
    seconds, states = await ended(tasks_of(0.01, 5), quorum=1, grace=5, timeout=0.3)
    assert states == ["done", "cancelled"] and seconds < 3


@pytest.mark.parametrize("timeout", [0, -1])
async def test_without_time_everything_is_cancelled(timeout):
    _, states = await ended(tasks_of(5, 5), quorum=2, timeout=timeout)
    assert states == ["cancelled"] * 2


async def test_when_strict_one_failure_ends_it():
    seconds, states = await ended(tasks_of((0.01, ValueError()), 0.02, 5), quorum=3, strict=True)
    assert states[0] == "failed" and states[2] == "cancelled" and seconds < 3


async def test_when_strict_a_failure_within_the_grace_ends_it():
    seconds, states = await ended(tasks_of(0, (0.05, ValueError()), 5), quorum=1, grace=5, strict=True)
    assert states == ["done", "failed", "cancelled"] and seconds < 3


async def test_tasks_that_are_done_already_are_counted():
    tasks = tasks_of(0, 0)
    await asyncio.wait(tasks)
    _, states = await ended(tasks, quorum=2)
    assert states == ["done", "done"]


async def test_no_tasks_are_no_wait():
    async with asyncio.timeout(1):
        await collect([], quorum=1)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"quorum": 1, "grace": 0}, "the quorum was there"),
        ({"quorum": 3, "timeout": 0.3}, "the layer's time was up"),
        ({"quorum": 3, "strict": True}, "another one failed"),
    ],
)
async def test_what_is_cancelled_hears_why(settings, reason):
    heard = []

    async def listen():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError as error:
            heard.append(error.args[0])
            raise

    tasks = [*tasks_of(0.02, (0.03, ValueError())), asyncio.create_task(listen())]
    await collect(tasks, **settings)
    assert heard == [reason]


async def slow_to_end(seconds, heard):
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError as error:
        heard.append(error.args[0])
        await asyncio.sleep(seconds)
        raise


@pytest.mark.parametrize("grace", [None, 5])
async def test_a_cancellation_cancels_every_task_and_waits_for_it(grace):
    heard = []
    tasks = [*tasks_of(0), *(asyncio.create_task(slow_to_end(0.05, heard)) for _ in range(3))]
    waiting = asyncio.create_task(collect(tasks, quorum=1 if grace else 4, grace=grace))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert all(task.done() for task in tasks)
    assert heard == ["the run was cancelled"] * 3


async def test_a_second_cancellation_leaves_nothing_running():
    tasks = [asyncio.create_task(slow_to_end(0.1, [])) for _ in range(3)]
    waiting = asyncio.create_task(collect(tasks, quorum=3))
    for _ in range(2):
        await asyncio.sleep(0.02)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert all(task.done() for task in tasks)


async def test_failures_nobody_looks_at_are_not_complained_about(caplog):
    await collect(tasks_of((0, ValueError()), (0, KeyError()), 0.01, 5), quorum=1, grace=0)
    await collect(tasks_of((0, ValueError()), 5), quorum=2, strict=True)
    gc.collect()
    await asyncio.sleep(0)
    assert not caplog.records


async def test_what_is_cancelled_with_the_wait_hears_the_same_reason():
    heard = []
    waiting = asyncio.create_task(collect([asyncio.create_task(slow_to_end(0, heard))], quorum=1))
    await asyncio.sleep(0.02)
    waiting.cancel("the quorum was there")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert heard == ["the quorum was there"]


def bench_of(*parts):
    """Return what starts these one after another for errors, and the list of the errors it was told."""
    told, left = [], list(parts)

    def refill(error):
        told.append(error)
        return tasks_of(left.pop(0))[0] if left else None

    return refill, told


async def test_another_task_takes_the_place_of_one_that_failed():
    first, second = ValueError("first"), ValueError("second")
    refill, told = bench_of((0, second), (0.01, "stand-in"))
    tasks = tasks_of(0.05, (0, first), 0.05)
    await collect(tasks, quorum=3, refill=refill)
    assert [task.result() for task in tasks] == ["done", "stand-in", "done"]
    assert told == [first, second]


async def test_when_nobody_is_left_the_failure_counts():
    refill, told = bench_of((0, ValueError()))
    _, states = await ended(tasks_of(0, (0, ValueError()), 5), quorum=2, least=1, grace=0, refill=refill)
    assert states == ["done", "failed", "cancelled"] and len(told) == 2


async def test_what_is_made_up_for_takes_nothing_off_the_quorum():
    refill, _ = bench_of(0.3)
    tasks = tasks_of(0, (0, ValueError()), 5)
    seconds, states = await ended(tasks, quorum=2, least=1, grace=0, refill=refill)
    assert states == ["done", "done", "cancelled"] and 0.29 < seconds < 3


async def test_when_strict_only_a_failure_that_is_not_made_up_for_ends_it():
    refill, _ = bench_of(0.01)
    tasks = tasks_of((0, ValueError()), (0.05, KeyError()), 5)
    _, states = await ended(tasks, quorum=3, strict=True, refill=refill)
    assert states == ["done", "failed", "cancelled"]


async def test_nobody_makes_up_for_what_is_not_bearable():
    refill, told = bench_of(0)
    tasks = tasks_of((0, KeyError()), 5)
    reason = await collect(tasks, quorum=2, refill=refill, bearable=lambda error: type(error) is ValueError)
    assert reason == "another one raised KeyError" and not told


async def test_nobody_takes_a_place_beside_what_is_not_bearable():
    refill, told = bench_of(0)
    tasks = tasks_of((0, KeyError()), (0, ValueError()), 5)
    await asyncio.wait(tasks[:2])
    await collect(tasks, quorum=3, refill=refill, bearable=lambda error: type(error) is ValueError)
    assert not told


async def fail_when_cancelled():
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        raise ValueError from None


@pytest.mark.parametrize("cancelled", [False, True])
async def test_nobody_takes_a_place_once_it_is_over(cancelled):
    refill, told = bench_of(0)
    waiting = asyncio.create_task(
        collect([asyncio.create_task(fail_when_cancelled())], quorum=1, timeout=0.1, refill=refill)
    )
    await asyncio.sleep(0.02)
    if cancelled:
        waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() == cancelled and not told


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_stand_in_that_is_late_or_cancelled_is_not_left_running(cancelled):
    refill, _ = bench_of(5)
    tasks = tasks_of((0, ValueError()))
    waiting = asyncio.create_task(collect(tasks, quorum=1, timeout=0.2, refill=refill))
    await asyncio.sleep(0.05)
    if cancelled:
        waiting.cancel()
    await asyncio.wait([waiting])
    assert [task.cancelled() for task in tasks] == [True]


async def test_results_that_agree_end_it():
    seen = []

    def agreed(result):
        seen.append(result)
        return len(seen) == 2

    tasks = tasks_of((0, "a"), (0.05, "b"), 5)
    assert await collect(tasks, quorum=3, agreed=agreed) == "the proposals agree"
    assert tasks[2].cancelled() and seen == ["a", "b"]


async def test_results_that_agree_end_the_grace():
    tasks = tasks_of((0, "a"), (0.1, "b"), 5)
    async with asyncio.timeout(3):
        await collect(tasks, quorum=1, grace=60, agreed=lambda result: result == "b")
    assert tasks[2].cancelled()


@pytest.mark.parametrize("part", ["refill", "agreed"])
async def test_what_a_policy_raises_ends_it_and_is_raised(part):
    def broken(_):
        raise ZeroDivisionError

    tasks = tasks_of(0, (0, ValueError()), 5)
    async with asyncio.timeout(3):
        with pytest.raises(ZeroDivisionError):
            await collect(tasks, quorum=3, **{part: broken})
    assert tasks[2].cancelled()
