"""Pools and event loops: every way a program may end, without a word on standard error."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import moakit
from moakit.models import pools
from tests.models.wire import ask, model_on
from tests.upstream import Upstream

ASK = """
import asyncio, gc, sys, threading
from moakit import aclose
from moakit.models.openai import OpenAIModel
from moakit.models.providers import Endpoint

model = OpenAIModel(Endpoint(name="lab", base_url=sys.argv[1], api_key="k"), "say:a")

class Ear:
    full = False
    def __call__(self, *said): pass

async def ask():
    for listener in (None, Ear()):
        assert (await model.respond([{"role": "user", "content": "hi"}], {}, listener)).text == "a"
"""
BY_HAND = "loop = asyncio.new_event_loop(); loop.run_until_complete(ask())"
ENDINGS = {
    "run": "asyncio.run(ask())",
    "several loops, one after another": "for _ in range(3): asyncio.run(ask())",
    "closed by the user": """
async def main():
    await ask()
    await aclose()
    await ask()
    await aclose()
asyncio.run(main())""",
    "threads with loops of their own": """
threads = [threading.Thread(target=asyncio.run, args=(ask(),)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()""",
    "a loop closed by hand": f"{BY_HAND}\nloop.run_until_complete(loop.shutdown_asyncgens())\nloop.close()",
    "cancelled in the middle": """
async def main():
    slow = OpenAIModel(model.endpoint, "hang")
    task = asyncio.create_task(slow.respond([{"role": "user", "content": "hi"}], {}, Ear()))
    await asyncio.sleep(0.1)
asyncio.run(main())""",
}


@pytest.fixture(scope="module")
def server():
    with Upstream.in_thread() as upstream:
        yield upstream


def stderr_of(script, server, *options):
    environ = {**os.environ, "PYTHONPATH": str(Path(moakit.__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, *options, "-c", f"{ASK}\n{script}\ngc.collect()\n", server.base_url],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    server.wait_idle()
    return ended.stderr


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_may_end_without_closing_anything(server, ending):
    assert stderr_of(ENDINGS[ending], server, "-W", "error") == ""


@pytest.mark.parametrize("ending", [BY_HAND, f"{BY_HAND}; loop.close()", f"for _ in range(3): {BY_HAND}"])
def test_a_loop_that_is_not_shut_down_leaves_no_word_either(server, ending):
    # Python's own ResourceWarning for such a loop, which is off by default, is the program's business.
    assert stderr_of(ending, server) == ""


async def test_runs_of_one_loop_share_their_connections(up):
    for _ in range(3):
        await ask(model_on(up, "say:a"))
    assert up.connections == 1


async def test_closing_closes_the_connections_and_the_next_call_opens_new_ones(up):
    await ask(model_on(up, "say:a"))
    await pools.close()
    while up.connections:
        await asyncio.sleep(0.001)
    assert (await ask(model_on(up, "say:a"))).text == "a"


async def test_closing_twice_or_without_a_pool_does_nothing():
    await pools.close()
    await pools.close()


async def test_a_loop_that_has_ended_is_not_kept(up):
    def ended() -> int:
        asyncio.run(ask(model_on(up, "say:a")))
        return len(pools._pools)  # noqa: SLF001 - what is kept is the point

    before = len(pools._pools)  # noqa: SLF001
    assert await asyncio.to_thread(ended) == before


async def test_loops_closed_by_hand_do_not_pile_up(up):
    async def keep() -> None:
        pool = await pools.pool_for(model_on(up, "m").endpoint)
        assert pool.session is not None

    def ended() -> int:
        for _ in range(5):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(keep())
            loop.close()
        return len(pools._pools)  # noqa: SLF001

    before = len(pools._pools)  # noqa: SLF001
    assert await asyncio.to_thread(ended) == before + 1
