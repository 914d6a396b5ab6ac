"""Clients that leave, read slowly or ask for little; a server that is told to stop (F22 to F24, F27, F31)."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import Self

import moakit
from moakit.server import connections
from tests.faults.card import row
from tests.faults.case import Case, each, encoded, percentile, until
from tests.server.openwebui.streams import OURS, TITLE
from tests.server.serving import KEY, Served, serving

PHASES = {
    "before the headers": {"one": "hang", "two": "hang", "lead": "say:x"},
    "while proposing": {"one": "say:x", "two": "hang_after:0", "lead": "say:x"},
    "while aggregating": {"one": "say:x", "two": "say:x", "lead": "tokens:500+pace:0.05"},
}
BULK = f"tokens:20000+say:{'Q' * 1000}"
"""More than what the sockets of both sides take in by themselves."""
ROOM = 8.0
"""The most megabytes that a connection may hold."""


class Client:
    """A plain connection that can be left without a word, or read as slowly as one likes."""

    def __init__(self, port: int, body: object, *, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.setblocking(False)
        self.port = port
        data = encoded(body)
        self.head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        ).encode() + data

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        await loop.sock_sendall(self.socket, self.head)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.socket.close()

    async def closed(self, *, size: int, pause: float) -> None:
        """Read so many bytes at a time, with pauses, until the other side has closed."""
        with contextlib.suppress(ConnectionError):
            while await asyncio.get_running_loop().sock_recv(self.socket, size):
                await asyncio.sleep(pause)


def asking(text: str, *, stream: bool, model: str = "panel") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


@row(
    "F22",
    "the client goes away (before headers, while proposing, while aggregating, streamed or not)",
    "every call is cancelled: p99 under 250 ms, 0 orphans in 1,000",
    busy=True,
)
async def leaving(case: Case) -> str:
    loop, took = asyncio.get_running_loop(), []
    panel = {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "quorum": 2}
    server = await case.serve({"panel": panel})

    async def leave(number: int, *, stream: bool, calls: int) -> None:
        text = f"question-{number:05}"

        def mine() -> list[object]:
            return [call for call in case.up.open if text in call.prompt]

        async with Client(server.port, asking(text, stream=stream)):
            await until(lambda: len(mine()) == calls)
            await asyncio.sleep(0.001 * (number % 20))
        left = loop.time()
        with contextlib.suppress(TimeoutError):
            await until(lambda: not mine(), within=5)
        took.append(loop.time() - left)

    each_phase = case.count(167, least=10)
    for phase, (name, behaviours) in enumerate(PHASES.items()):
        case.up.behaves |= behaviours
        open_calls = {"before the headers": 2, "while proposing": 1, "while aggregating": 1}[name]
        for stream in (False, True):
            numbers = range(each_phase)
            base = (2 * phase + stream) * 10_000
            await each((leave(base + n, stream=stream, calls=open_calls) for n in numbers), at_once=16)
    orphans = len(case.up.open)
    p99 = percentile(took, 0.99)
    case.holds(f"{orphans} orphans", orphans == 0)
    case.at_most("p99 of the seconds until every call was gone", p99, 0.25)
    return f"p99 {p99 * 1000:.0f} ms, {orphans} orphans in {len(took):,}"


@row(
    "F23", "a storm of cancellations on a small pool", "the pool still works: 30 of 30 afterwards", busy=True
)
async def storm(case: Case) -> str:
    pool = 4
    lab = {"base_url": case.up.base_url, "api_key": "${LAB_KEY}", "price": 0, "concurrency": pool}
    panel = {"proposers": ["lab/one", "lab/two", "lab/three"], "aggregator": "lab/lead"}
    server = await case.serve({"panel": panel}, providers={"lab": lab})
    ensemble = moakit.MoA(
        [case.lab(concurrency=pool)(name) for name in ("one", "two", "three")], "demo/editor"
    )

    async def cancelled(number: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.004 * (number % 30)):
                await (server.chat() if number % 2 else ensemble.run("why"))

    case.up.behaves |= dict.fromkeys(("one", "two", "three"), "sleep:0.03")
    await each((cancelled(number) for number in range(case.count(3000, least=90))), at_once=30)
    await case.up.idle(case.scale.slack)
    case.up.reset()
    heard = await asyncio.gather(*(server.chat() for _ in range(30)), return_exceptions=True)
    good = sum(getattr(one, "status", 0) == 200 for one in heard)
    case.holds(f"{good} of 30", good == 30)
    case.holds(f"{case.up.peak} calls at once, not {pool}: permits were lost or made", case.up.peak == pool)
    await asyncio.gather(*(ensemble.run("why") for _ in range(30)))
    return f"{good} of 30, {case.up.peak} of {pool} permits in use"


@contextlib.asynccontextmanager
async def process(case: Case, toml: str):
    """A real `moa serve` over the case's upstream; it has to end with exit code 0 and a clean log."""
    providers = f'[providers.lab]\nbase_url = "{case.up.base_url}"\napi_key = "key"\nprice = 0\n'
    keys = f'[server]\nkeys = ["{KEY}"]\npassthrough = true\n'
    with tempfile.TemporaryDirectory() as folder:
        context = serving(Path(folder), providers + keys + toml)
        served = await asyncio.to_thread(context.__enter__)
        try:
            yield served
        except BaseException as error:
            await asyncio.to_thread(context.__exit__, type(error), error, error.__traceback__)
            raise
        else:
            await asyncio.to_thread(context.__exit__, None, None, None)


async def megabytes(served: Served) -> float:
    """What the server's process holds."""
    assert served.process is not None
    command = ["ps", "-o", "rss=", "-p", str(served.process.pid)]
    ps = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return int((await ps.communicate())[0]) / 1024


@row(
    "F24",
    "a client that reads 1 kB/s or stops",
    "back-pressure; under 8 MB a connection; closed after the write timeout",
)
async def slow_clients(case: Case) -> str:
    loop, readers = asyncio.get_running_loop(), 8
    panel = '[ensembles.panel]\nproposers = ["lab/one"]\naggregator = "lab/lead"\n'
    case.up.behaves["lead"] = BULK
    body = asking("why", stream=True)
    async with process(case, panel) as served:
        server = case.at(served)
        await server.chat("lab/say:warm")
        before = await megabytes(served)
        async with contextlib.AsyncExitStack() as clients:
            for _ in range(readers):
                await clients.enter_async_context(Client(served.port, body, window=4096))
            await until(lambda: len(case.up.of("lead")) == readers, within=30)
            sent = -1
            while sent != (sent := sum(call.sent for call in case.up.calls)):
                await asyncio.sleep(0.3)
            held = (await megabytes(served) - before) / readers
            waiting = [call for call in case.up.of("lead") if call.status == "open"]
        case.at_most("MB held for a connection", held, ROOM)
        case.holds(f"{len(waiting)} of {readers} held the upstream back", len(waiting) == readers)
        await case.up.idle(5)
        await case.probe()
        case.forget()
    case.up.reset()
    patience = connections.WRITE_TIMEOUT if case.scale.time == 1 else 0.8
    server = await case.serve({"panel": {"proposers": ["lab/one"], "aggregator": "lab/lead"}})
    usual, connections.WRITE_TIMEOUT = connections.WRITE_TIMEOUT, patience
    try:
        began = loop.time()
        async with Client(server.port, body, window=4096), Client(server.port, body, window=4096) as slow:
            await until(lambda: len(case.up.of("lead")) == 2)
            # 1 kB/s, as time goes here.
            reading = asyncio.create_task(slow.closed(size=1024, pause=patience / 60))
            await until(lambda: len(case.up.open) == 1, within=3 * patience + 2)
            closed = loop.time() - began
            await asyncio.sleep(patience / 4)
            case.holds("one that reads slowly was closed as well", not reading.done())
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    finally:
        connections.WRITE_TIMEOUT = usual
    case.at_least("closed after, as a multiple of the write timeout", closed / patience, 0.95)
    case.at_most("closed after, as a multiple of the write timeout", closed / patience, 2.2)
    await case.up.idle(5)
    return f"{max(held, 0):.1f} MB a connection; closed after {closed:.3g} s of a {patience:g} s timeout"


@row(
    "F27",
    "SIGTERM while streaming",
    "not ready at once, new requests 503, streams finish within the drain time, exit 0",
)
async def stopping(case: Case) -> str:
    loop, streams = asyncio.get_running_loop(), 20
    case.up.behaves["lead"] = "tokens:10+pace:0.2"
    panel = '[ensembles.panel]\nproposers = ["lab/one"]\naggregator = "lab/lead"\n'
    async with process(case, panel) as served:
        server = case.at(served)
        heard = [asyncio.create_task(server.chat(stream=True)) for _ in range(streams)]
        await until(lambda: len(case.up.of("lead")) == streams)
        assert served.process is not None
        os.kill(served.process.pid, signal.SIGTERM)
        told, status = loop.time(), 200
        while status == 200 and loop.time() < told + 5:
            async with case.client.get(f"http://127.0.0.1:{served.port}/readyz") as response:
                status = response.status
        unready = loop.time() - told
        case.holds(f"/readyz says {status}", status == 503)
        case.at_most("seconds until it was not ready", unready, 0.25)
        refused = await server.chat()
        case.holds(f"a new request got {refused.status}", refused.status == 503)
        whole = [one for one in await asyncio.gather(*heard) if one.done and one.text.endswith("w10")]
        case.holds(f"{len(whole)} of {streams} streams finished", len(whole) == streams)
        code = await asyncio.to_thread(served.process.wait, 5)
        case.holds(f"exit code {code}", code == 0)
        case.forget()
    return f"not ready after {unready * 1000:.0f} ms, {len(whole)} of {streams} streams finished, exit {code}"


@row("F31", "Open WebUI's background tasks", "one upstream call each")
async def background_tasks(case: Case) -> str:
    names = (
        "title_generation", "tags_generation", "follow_up_generation", "query_generation", "emoji_generation",
        "image_prompt_generation", "autocomplete_generation", "moa_response_generation", "function_calling",
    )  # fmt: skip
    panel = {"proposers": ["lab/one", "lab/two", "lab/three"], "aggregator": "lab/lead"}
    server = await case.serve({"panel": panel})
    headers = {"Authorization": f"Bearer {KEY}"}
    calls = []
    for name in names:
        case.up.reset()
        async with case.client.post(
            f"http://127.0.0.1:{server.port}{OURS}",
            json=asking("anything", stream=name.startswith("moa")),
            headers={**headers, "X-MoA-Task": name},
        ) as response:
            await response.read()
        calls.append(len(case.up.calls))
        case.holds(f"{name}: {calls[-1]} calls", calls[-1] == 1)
    case.up.reset()
    url = f"http://127.0.0.1:{server.port}{OURS}"
    async with case.client.post(url, json=asking(TITLE, stream=False), headers=headers) as response:
        await response.read()
    case.holds("a task known by its wording alone made more calls", len(case.up.calls) == 1)
    case.up.reset()
    await server.chat()
    case.holds("a chat did not get the ensemble", len(case.up.calls) == 4)
    return f"{sum(calls) + 1} calls for {len(names) + 1} tasks"
