"""One alarm clock for a loop's many alarms."""

import asyncio
import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.clock import SLACK, Clock, clock_of

try:
    import uvloop
except ModuleNotFoundError:  # Windows
    uvloop = None


class Time:
    """A loop whose time stands until it is told to pass."""

    def __init__(self):
        self.now = 0.0
        self.handles = []

    def time(self):
        return self.now

    def call_at(self, when, call):
        handle = Handle(when, call)
        self.handles.append(handle)
        return handle

    def pass_until(self, end):
        while due := [one for one in self.handles if one.call and one.when() <= end]:
            first = min(due, key=Handle.when)
            self.handles.remove(first)
            self.now = max(self.now, first.when())
            first.call()
        self.now = end


class Handle:
    def __init__(self, when, call):
        self._when, self.call = when, call

    def when(self):
        return self._when

    def cancel(self):
        self.call = None


@pytest.fixture
def time():
    return Time()


def test_alarms_ring_in_their_order_at_their_time(time):
    clock, rung = Clock(time), []
    for when in (3, 1, 2, 1):
        clock.set(when, lambda when=when: rung.append((when, time.now)))
    time.pass_until(2.5)
    assert rung == [(1, 1), (1, 1), (2, 2)]
    time.pass_until(3)
    assert rung[3:] == [(3, 3)]


def test_a_cleared_alarm_does_not_ring(time):
    clock, rung = Clock(time), []
    alarms = [clock.set(when, lambda when=when: rung.append(when)) for when in (1, 2, 3)]
    clock.clear(alarms[0])
    clock.clear(alarms[1])
    clock.clear(alarms[1])
    time.pass_until(9)
    assert rung == [3]


def test_an_alarm_set_while_others_ring_does_not_put_off_the_next(time):
    clock, rung = Clock(time), []
    clock.set(1, lambda: clock.set(10, lambda: rung.append((10, time.now))))
    clock.set(2, lambda: rung.append((2, time.now)))
    time.pass_until(20)
    assert rung == [(2, 2), (10, 10)]


def test_an_alarm_that_fails_does_not_silence_the_others(time):
    clock, rung = Clock(time), []
    clock.set(1, lambda: 1 / 0)
    clock.set(2, lambda: rung.append(2))
    with pytest.raises(ZeroDivisionError):
        time.pass_until(3)
    time.pass_until(3)
    assert rung == [2]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.none() | st.integers(1, 20)), max_size=150),
    st.integers(0, 20),
)
def test_every_alarm_that_is_not_cleared_rings_once_at_its_time(alarms, pause):
    time = Time()
    clock, rung, wanted, cleared = Clock(time), [], [], []

    def ringing(place, later):
        def ring():
            rung.append((place, time.now))
            if later is not None:
                clock.set(time.now + later, ringing((place, "again"), None))

        return ring

    for place, (when, clears, later) in enumerate(alarms):
        alarm = clock.set(when, ringing(place, later))
        if clears:
            cleared.append(alarm)
        else:
            wanted.append((place, when))
            if later is not None:
                wanted.append(((place, "again"), when + later))
    for alarm in cleared:
        clock.clear(alarm)
    time.pass_until(pause)
    time.pass_until(50)
    assert sorted(rung, key=str) == sorted(wanted, key=str)


def test_cleared_alarms_do_not_pile_up(time):
    clock = Clock(time)
    for number in range(10_000):
        clock.clear(clock.set(1000 + number, gc.collect))
    assert len(clock._alarms) <= 2 * SLACK + 2  # noqa: SLF001 - what is kept is the point


async def test_a_loop_has_one_clock():
    loop = asyncio.get_running_loop()
    assert clock_of(loop) is clock_of(loop)


def test_a_loop_that_has_ended_is_not_kept():
    def loop_of_a_run():
        async def run():
            loop = asyncio.get_running_loop()
            clock_of(loop).set(loop.time() + 60, gc.collect)
            return weakref.ref(loop)

        return asyncio.run(run())

    ended, _ = loop_of_a_run(), loop_of_a_run()
    gc.collect()
    assert ended() is None


@pytest.mark.parametrize("after", [-1.0, 0.0, 1e-300, 0.0004])
def test_alarms_for_a_time_that_has_come_ring_on_every_loop(after):
    # What uvloop returns for such a time knows no time.
    loops = [asyncio.new_event_loop, *([uvloop.new_event_loop] if uvloop else [])]

    async def main():
        loop, rung = asyncio.get_running_loop(), []
        clock, done = clock_of(loop), loop.create_future()
        now = loop.time()
        clock.set(now + after, lambda: rung.append("first"))
        clock.set(now - 1, lambda: rung.append("before"))
        clock.set(now + 0.02, lambda: done.set_result(rung))
        return await asyncio.wait_for(done, 5)

    for factory in loops:
        with asyncio.Runner(loop_factory=factory) as runner:
            assert sorted(runner.run(main())) == ["before", "first"]
