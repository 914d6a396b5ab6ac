"""`moa` that tells how much it holds when it gets SIGUSR1: `python -m benchmarks.soak.served FILE serve …`.

One line of JSON is added to the file. The server itself has no address for this.
"""

import asyncio
import gc
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from moakit.cli import main
from moakit.policies.admission import Admission
from moakit.policies.budget import Budget
from moakit.policies.limits import limiters_of


def figures(loop: asyncio.AbstractEventLoop) -> dict[str, int]:
    """What the process holds."""
    objects = gc.get_objects()
    places = [found for found in objects if type(found) is Admission]
    budgets = [found for found in objects if type(found) is Budget]
    limiters = limiters_of(loop)
    return {
        "tasks": len(asyncio.all_tasks(loop)),
        "permits": sum(limiter.in_flight for limiter in limiters),
        "waiting": sum(limiter.waiting for limiter in limiters),
        "places": sum(found.running + found.waiting for found in places),
        "reserved": sum(found.reserved.tokens for found in budgets),
        "objects": len(objects),
    }


def telling(file: Path) -> None:
    """Has figures added to the file at every signal, between two steps of the loop's tasks."""

    def write(loop: asyncio.AbstractEventLoop) -> None:
        line = json.dumps(figures(loop))
        with file.open("a") as told:
            told.write(f"{line}\n")

    def tell(_number: int, _frame: FrameType | None) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(write, loop)

    signal.signal(signal.SIGUSR1, tell)


if __name__ == "__main__":
    telling(Path(sys.argv.pop(1)))
    main()
