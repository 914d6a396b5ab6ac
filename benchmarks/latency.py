"""How much time moakit adds to its upstream's: `python -m benchmarks.latency BASE_URL [SERVER_PORT]`.

Prints one line of JSON. The upstream's times and ours are the machine's monotonic clock.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import aiohttp

from . import payloads

REPEATS = 5
STEP = 0.1
GAP = 0.05
"""Calls that arrive further apart than this, in seconds, belong to different steps."""


async def timed(call: Callable[[], Awaitable[Any]], repeats: int = REPEATS) -> list[float]:
    """Seconds of each repeat, after one that only warms up."""
    seconds = []
    for number in range(repeats + 1):
        began = time.monotonic()
        await call()
        if number:
            seconds.append(time.monotonic() - began)
    return seconds


class Bench:
    """The upstream's book, read over HTTP."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self.root = base_url.removesuffix("/v1")
        self.session = session

    async def stats(self) -> Any:
        """What it holds."""
        async with self.session.get(f"{self.root}/stats") as response:
            return await response.json()

    async def forget(self) -> None:
        """Empties it."""
        async with self.session.post(f"{self.root}/forget") as response:
            await response.read()


async def library(base_url: str, bench: Bench) -> dict[str, Any]:
    """The library's figures."""
    import moakit

    lab = moakit.Provider("bench", base_url=base_url, api_key="x")
    slow = moakit.MoA([lab("wait-0.5")] * 3, lab("wait-0.5"))
    deep = moakit.MoA([lab(f"wait-{STEP}")] * 3, lab(f"wait-{STEP}"), layers=4)
    late = moakit.MoA([lab("a"), lab("b"), lab("c")], lab("first-0.1"))

    async def stream() -> None:
        async with slow.stream(payloads.PROMPT) as events:
            async for _ in events.text:
                pass

    async def first() -> Any:
        await bench.forget()
        async with late.stream(payloads.PROMPT) as events:
            async for _ in events.text:
                seen = time.monotonic()
                return seen - (await bench.stats())["first_token"][-1]
        raise AssertionError("no token")

    found: dict[str, Any] = {
        "run": await timed(lambda: slow.run(payloads.PROMPT)),
        "stream": await timed(stream),
    }
    await deep.run(payloads.PROMPT)
    await bench.forget()
    began = time.monotonic()
    await deep.run(payloads.PROMPT)
    found["deep"] = time.monotonic() - began
    arrived = [at for _, at in (await bench.stats())["arrived"]]
    found["calls"] = len(arrived)
    found["steps"] = 1 + sum(later - sooner > GAP for sooner, later in pairwise(arrived))
    found["first"] = [await first() for _ in range(2 * REPEATS)][1:]
    await moakit.aclose()
    return found


async def server(port: int, bench: Bench) -> dict[str, Any]:
    """The server's figures."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    messages = [{"role": "user", "content": payloads.PROMPT}]

    async def post(**fields: Any) -> None:
        async with bench.session.post(url, json={"model": "slow", "messages": messages} | fields) as response:
            assert response.status == 200, await response.text()
            await response.read()

    async def first() -> Any:
        await bench.forget()
        body = {"model": "late", "messages": messages, "stream": True}
        async with bench.session.post(url, json=body) as response:
            got = b""
            async for data in response.content.iter_any():
                seen = time.monotonic()
                got += data
                if b'"content":"the' in got.replace(b'": "', b'":"'):
                    return seen - (await bench.stats())["first_token"][-1]
        raise AssertionError(got)

    return {
        "run": await timed(post),
        "stream": await timed(lambda: post(stream=True)),
        "first": [await first() for _ in range(2 * REPEATS)][1:],
    }


def median(seconds: list[float]) -> float:
    """The middle one."""
    return statistics.median(seconds)


async def main() -> None:
    """Measures both and prints the figures."""
    base_url, *port = sys.argv[1:]
    async with aiohttp.ClientSession() as session:
        bench = Bench(base_url, session)
        found = {"library": await library(base_url, bench)}
        if port:
            found["server"] = await server(int(port[0]), bench)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
