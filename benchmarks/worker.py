"""One library side in a process of its own: `python -m benchmarks.worker SIDE BASE_URL`.

One line of standard input is one measurement; its answer is a line of JSON: CPU seconds of this process and
the text of the last answer.

    {"mode": "run" | "stream", "requests": 200, "in_flight": 50}
"""

import asyncio
import gc
import itertools
import json
import sys
import time
from typing import Any

from . import payloads
from .sides import LibrarySide, library_side


async def measure(side: LibrarySide, mode: str, requests: int, in_flight: int) -> dict[str, Any]:
    """CPU and wall time of that many requests, so many at once."""
    call = side.stream if mode == "stream" else side.run
    numbers = itertools.count()
    text = ""

    async def lane() -> None:
        nonlocal text
        while next(numbers) < requests:
            text = await call(payloads.PROMPT)

    gc.collect()
    wall, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(lane() for _ in range(min(in_flight, requests))))
    cpu, finished = time.process_time() - cpu, time.monotonic()
    return {"cpu": cpu, "wall": finished - wall, "requests": requests, "text": text}


async def serve(name: str, base_url: str) -> None:
    """Measures until standard input ends."""
    side = library_side(name, base_url)
    print('"ready"', flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        found = await measure(side, asked["mode"], asked["requests"], asked.get("in_flight", 50))
        print(json.dumps(found), flush=True)
    await side.close()


def main() -> None:
    """Serves one side."""
    _, name, base_url = sys.argv
    asyncio.run(serve(name, base_url))


if __name__ == "__main__":
    main()
