"""Calling an ensemble from synchronous code, wherever it stands."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import moakit
from moakit import MoA
from moakit.models.demo import DemoModel
from tests.lab import lab_on
from tests.upstream import Upstream

DEMO = MoA([DemoModel("planner", pace=0), DemoModel("skeptic", pace=0)], DemoModel("editor", pace=0))


@pytest.fixture
def server():
    with Upstream.in_thread() as up:
        yield up
        up.wait_idle()


def script(server, body):
    """Start a script with every warning an error, on this upstream."""
    head = f"""
        import asyncio, os, sys, threading, time
        import moakit
        lab = moakit.Provider("lab", base_url={server.base_url!r}, api_key="key")
        ensemble = moakit.MoA([lab("a"), lab("b")], lab("lead"))
    """
    code = textwrap.dedent(head) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def outcome(process, timeout=20):
    out, errors = process.communicate(timeout=timeout)
    return process.returncode, out, errors


def in_flight(server, model, process):
    """Wait until a script calls that model."""
    end = time.monotonic() + 20
    while not any(call.model == model for call in server.open):
        assert process.poll() is None, outcome(process)
        assert time.monotonic() < end, server.calls
        time.sleep(0.005)


def test_it_is_called_like_a_function():
    answer = DEMO("why")
    assert isinstance(answer, moakit.Answer)
    assert "2 references" in answer.text


def test_messages_and_sampling_are_passed_on(server):
    lab = lab_on(server)
    messages = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "why"}]
    lab("a")(messages, temperature=0)
    assert server.calls[0].messages == messages
    assert server.calls[0].body["temperature"] == 0


def test_calls_reuse_their_connections(server):
    agent = lab_on(server)("a")
    for _ in range(5):
        agent("why")
    assert len({call.connection for call in server.calls}) == 1


async def test_it_works_inside_a_running_loop():
    assert DEMO("why").text == (await DEMO.run("why")).text


def test_it_works_inside_asyncio_run():
    async def main():
        return DEMO("why").text

    assert "2 references" in asyncio.run(main())


def test_it_works_in_many_threads_at_once(server):
    ensemble = MoA([lab_on(server)("a"), lab_on(server)("b")], lab_on(server)("lead+sleep:0.02"))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ensemble, [f"question {number}" for number in range(24)]))
    for number, answer in enumerate(answers):
        assert f": question {number}\n" in answer.text


def test_one_ensemble_serves_several_event_loops(server):
    ensemble = MoA([lab_on(server)("a"), lab_on(server)("b")], lab_on(server)("lead"))
    assert all(asyncio.run(ensemble.run("why")).text for _ in range(3))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: asyncio.run(ensemble.run(f"question {number}")), range(12)))
    for number, answer in enumerate(answers):
        assert f": question {number}\n" in answer.text


def test_an_error_is_raised_where_the_call_is(server):
    with pytest.raises(moakit.AuthenticationFailed):
        lab_on(server)("status:401")("why")


def test_a_synchronous_call_from_inside_a_synchronous_run_is_an_error_instead_of_a_deadlock():
    class Blocks(moakit.Layer):
        async def forward(self, prompt, references, run):
            return (DEMO("inner").response,)

    class Reads(moakit.Layer):
        async def forward(self, prompt, references, run):
            with DEMO.stream("inner") as stream:
                return ("".join(stream.text),)

    for layer in (Blocks(), Reads()):
        with pytest.raises(moakit.MoaError, match=r"would wait for itself.*await ensemble\.run"):
            layer("why")


async def test_a_synchronous_call_from_inside_an_asynchronous_run_works():
    class Blocks(moakit.Layer):
        async def forward(self, prompt, references, run):
            return (DEMO("inner").response,)

    assert "inner" in (await Blocks().run("why")).text


def test_a_script_ends_without_warnings(server):
    code, out, errors = outcome(
        script(
            server,
            """
            print(ensemble("one").text[:7])
            thread = threading.Thread(target=lambda: print(ensemble("two").text[:7]))
            thread.start(); thread.join()
            async def main():
                answer = ensemble("three")
                other = await ensemble.run("four")
                async with ensemble.stream("five") as stream:
                    print("".join([text async for text in stream.text])[:7])
                async with ensemble.stream("six") as stream:
                    async for _ in stream: break
                return answer
            asyncio.run(main())
            with ensemble.stream("seven") as stream:
                for text in stream.text: break
            """,
        )
    )
    assert (code, errors) == (0, "")
    assert out == "lead #1\nlead #2\nlead #5\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("reading", ["ensemble('why')", "list(ensemble.stream('why').__enter__().text)"])
def test_an_interrupt_ends_a_waiting_script_at_once(server, reading):
    server.behaves["lead"] = "hang"
    process = script(server, reading)
    in_flight(server, "lead", process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, _, errors = outcome(process)
    assert time.monotonic() - began < 2
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Task was destroyed" not in errors and "Unclosed" not in errors and "never" not in errors
    server.wait_idle()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_after_an_interrupt_the_call_is_cancelled_and_the_next_one_works(server):
    server.behaves["a"] = "hang+times:1"
    process = script(
        server,
        """
        try:
            ensemble("why")
        except KeyboardInterrupt:
            print(ensemble("again").text[:7])
        """,
    )
    in_flight(server, "a", process)
    process.send_signal(signal.SIGINT)
    assert outcome(process) == (0, "lead #1\n", "")
    assert [call.status for call in server.of("a")] == ["aborted", "done"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_forked_process_has_a_loop_of_its_own(server):
    code, out, errors = outcome(
        script(
            server,
            """
            import multiprocessing, warnings
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
            def ask(prompt):
                return ensemble(prompt).text[:7]
            print(ask("parent"))
            with multiprocessing.get_context("fork").Pool(1) as pool:
                print(pool.map(ask, ["child", "child"]))
                pool.close()
                pool.join()
            print(ask("parent"))
            """,
        )
    )
    assert (code, out, errors) == (0, "lead #1\n['lead #2', 'lead #3']\nlead #4\n", "")


def test_the_background_thread_is_one():
    for _ in range(3):
        DEMO("why")
    assert [thread.name for thread in threading.enumerate()].count("moakit") == 1
