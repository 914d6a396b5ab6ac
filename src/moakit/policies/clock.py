"""One alarm clock for an event loop: many alarms that are nearly all cleared, and one handle of the loop.

Every call of every run sets alarms that almost never ring. The loop's own `call_at` makes an object for each,
compares them in Python and leaves the cancelled ones lying about; this is a third of its price.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from moakit.models.loops import forget_closed

Alarm = list[Any]
"""[when, a number that no other has, what to do or None when cleared]: lists compare in C."""

SLACK = 64
"""How many cleared alarms may lie about, beyond as many as are set."""

_clocks: WeakKeyDictionary[asyncio.AbstractEventLoop, Clock] = WeakKeyDictionary()


class Clock:
    """The alarms of one event loop; times are those of `loop.time()`, in seconds."""

    __slots__ = ("__weakref__", "_alarms", "_at", "_cleared", "_handle", "_number", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._alarms: list[Alarm] = []
        self._handle: asyncio.Handle | None = None
        # uvloop's handle for a time that has come does not know its time.
        self._at = 0.0
        self._number = 0
        self._cleared = 0

    def set(self, when: float, ring: Callable[[], None]) -> Alarm:
        """Call a function at a time, unless the alarm is cleared before."""
        self._number += 1
        alarm: Alarm = [when, self._number, ring]
        heapq.heappush(self._alarms, alarm)
        if self._handle is None or when < self._at:
            self._arm(when)
        return alarm

    def clear(self, alarm: Alarm) -> None:
        """Forget an alarm; one that rang or was cleared is forgotten already."""
        if alarm[2] is None:
            return
        alarm[2] = None
        self._cleared += 1
        if self._cleared > SLACK and self._cleared * 2 > len(self._alarms):
            self._alarms = [alarm for alarm in self._alarms if alarm[2] is not None]
            heapq.heapify(self._alarms)
            self._cleared = 0

    def _arm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._at = when
        self._handle = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._handle = None
        now = self.loop.time()
        try:
            while self._alarms:
                alarm = self._alarms[0]
                ring = alarm[2]
                if ring is not None and alarm[0] > now:
                    break
                heapq.heappop(self._alarms)
                if ring is not None:
                    alarm[2] = None
                    ring()
                else:
                    self._cleared -= 1
        finally:
            self._arm_next()

    def _arm_next(self) -> None:
        # What rang may have set an alarm of its own, for later than the next one here.
        if self._alarms and (self._handle is None or self._alarms[0][0] < self._at):
            self._arm(self._alarms[0][0])


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """Return a loop's clock."""
    clock = _clocks.get(loop)
    if clock is None:
        forget_closed(_clocks)
        clock = _clocks[loop] = Clock(loop)
    return clock
