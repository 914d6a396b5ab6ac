"""The one background event loop that synchronous calls share, so that they work inside a running loop too."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from moakit.errors import MoaError

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_inherited: list[asyncio.AbstractEventLoop] = []


def call(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for it; an interrupt cancels it."""
    where = loop()
    if threading.current_thread() is _thread:
        coroutine.close()
        raise MoaError(
            "a synchronous call from inside a synchronous run would wait for itself",
            hint="in a layer's forward, `await run(layer, prompt)` or `await ensemble.run(prompt)`",
        )
    future = asyncio.run_coroutine_threadsafe(coroutine, where)
    try:
        if sys.platform == "win32":
            # There, waiting without a timeout cannot be interrupted.
            while not future.done():
                concurrent.futures.wait([future], timeout=0.1)
        return future.result()
    except BaseException:
        future.cancel()
        raise


def loop() -> asyncio.AbstractEventLoop:
    """Return the background loop, started now if it was not."""
    global _loop, _thread  # noqa: PLW0603 - one loop for the process is the point
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_serve, args=(_loop,), name="moakit", daemon=True)
            _thread.start()
            atexit.register(_stop, _loop, _thread)
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    # What an interrupt left behind ends before the loop does.
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2)


def _forget() -> None:
    """Leave the loop to the parent: its thread does not exist in a forked process."""
    global _loop, _lock
    if _loop is not None:
        atexit.unregister(_stop)
        # Closing it, as its finalizer would, takes the parent's sockets from the selector both share.
        _inherited.append(_loop)
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
