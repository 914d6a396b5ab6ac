"""Forgetting what was kept for an event loop once the loop is closed."""

from __future__ import annotations

import asyncio
from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


def forget_closed(kept: WeakKeyDictionary[asyncio.AbstractEventLoop, T]) -> list[T]:
    """Remove what is kept for loops that are closed, and return it.

    Weak keys alone do not do it: what is kept mostly knows its loop, and so keeps it alive.
    """
    closed = [loop for reference in kept.keyrefs() if (loop := reference()) is not None and loop.is_closed()]
    return [thing for loop in closed if (thing := kept.pop(loop, None)) is not None]
