"""The processes of one row: an upstream, a server on it, the clients in this one."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from benchmarks.processes import Helper, environment

from .clients import Clients
from .watch import HELD, Watched

SEED = 20


class Bench(NamedTuple):
    """What a row works with."""

    upstream: Helper
    server: Watched
    clients: Clients
    tasks: int
    """The tasks of a server that nobody has asked anything."""


@contextlib.asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Bench]:
    """Everything running, and ended after the block."""
    folder.mkdir()  # noqa: ASYNC240  nothing else runs yet
    upstream = Helper("benchmarks.soak.upstream", str(SEED), home=folder)
    server = None
    try:
        server = Watched(upstream.said, folder)
        connector = aiohttp.TCPConnector(limit=0)
        key = {"authorization": f"Bearer {environment(folder)['BENCH_API_KEY']}"}
        async with aiohttp.ClientSession(connector=connector, headers=key, read_bufsize=16384) as session:
            async with session.get(f"http://127.0.0.1:{server.port}/readyz", headers={"connection": "close"}):
                # It listens before it can take a signal.
                pass
            idle = await server.figures()
            yield Bench(upstream, server, Clients(server.port, session, SEED), idle["tasks"])
    finally:
        if server is not None:
            server.stop()
        upstream.stop()


def held(told: dict[str, Any], open_calls: int, tasks: int) -> str:
    """What is left behind, in words; "nothing" where it is nothing."""
    extra = told["tasks"] - tasks
    found = {"upstream calls": open_calls, "tasks": max(extra, 0)}
    found |= {name: told[name] for name in HELD}
    return ", ".join(f"{number} {name}" for name, number in found.items() if number) or "nothing"
