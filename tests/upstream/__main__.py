"""The upstream as a command: `python -m tests.upstream --port 9000`."""

import argparse
import asyncio
import contextlib
import signal

from .server import Upstream


async def serve(port: int, keys: set[str] | None) -> None:
    """Runs until interrupted or terminated."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop.set)
    async with Upstream(port=port, keys=keys) as upstream:
        print(upstream.base_url, flush=True)  # noqa: T201  what the command is for
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="0 picks a free one; the base URL is printed")
    parser.add_argument(
        "--key", action="append", help="accept only this bearer token; may be given several times"
    )
    given = parser.parse_args()
    asyncio.run(serve(given.port, set(given.key) if given.key else None))


main()
