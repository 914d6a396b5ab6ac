"""What a row is given: an upstream, ways to reach it through moakit, and its bounds."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

import moakit
from tests.faults.sse import Heard, hear
from tests.server.hosting import configured, hosted
from tests.server.serving import KEY, Served
from tests.upstream import Upstream

USER = [{"role": "user", "content": "why"}]


@dataclass(frozen=True)
class Scale:
    """How large a row is run: how far its bounds give, how often it repeats, how long its waits are."""

    slack: float
    repeat: float
    time: float


CARD = Scale(slack=1, repeat=1, time=1)
SUITE = Scale(slack=4, repeat=0.02, time=0.05)


class Server:
    """A server of moakit's, and a client that leaves nothing out."""

    def __init__(self, port: int, client: aiohttp.ClientSession) -> None:
        self.port = port
        self.client = client
        self.base_url = f"http://127.0.0.1:{port}/v1"

    def post(self, model: str = "panel", text: str = "why", *, key: str = KEY, **fields: Any) -> Any:
        """Begin a chat; the caller reads it."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        headers = {"Authorization": f"Bearer {key}"}
        return self.client.post(f"{self.base_url}/chat/completions", json=body, headers=headers)

    async def chat(self, model: str = "panel", text: str = "why", **fields: Any) -> Heard:
        """Ask, and hear the answer out, streamed or not."""
        async with self.post(model, text, **fields) as response:
            return await hear(response)


class Case:
    """One run of one row; `failures` says what did not hold."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.failures: list[str] = []
        self.up = Upstream()
        self._servers: list[Server] = []
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.up)
        self._stack.push_async_callback(moakit.aclose)
        timeout = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(limit=0)
        client = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self.client = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # How large, how long -----------------------------------------------------------------------------

    def count(self, full: int, least: int = 1) -> int:
        """How many repetitions; never fewer than `least`."""
        return max(least, round(full * self.scale.repeat))

    def seconds(self, real: float, least: float = 0.0) -> float:
        """How long to wait for what takes `real` seconds; never less than `least`."""
        return max(least, real * self.scale.time)

    # What must hold ----------------------------------------------------------------------------------

    def holds(self, what: str, so: object) -> None:
        """Note `what` as a failure unless it is so."""
        if not so:
            self.failures.append(what)

    def at_most(self, what: str, value: float, bound: float) -> None:
        """Note a failure when a value is above its bound, with this scale's slack."""
        self.holds(f"{what}: {value:.4g}, at most {bound:g}", value <= bound * self.scale.slack)

    def at_least(self, what: str, value: float, bound: float) -> None:
        """Note a failure when a value is below its bound, with this scale's slack."""
        self.holds(f"{what}: {value:.4g}, at least {bound:g}", value >= bound / self.scale.slack)

    # Where to ask ------------------------------------------------------------------------------------

    def lab(self, up: Upstream | None = None, name: str = "lab", **options: Any) -> moakit.Provider:
        """An upstream as a provider whose calls cost nothing."""
        options = {"price": 0, "api_key": "key", **options}
        return moakit.Provider(name, base_url=(up or self.up).base_url, **options)

    async def upstream(self) -> Upstream:
        """Another upstream."""
        return await self._stack.enter_async_context(Upstream())

    async def serve(
        self, ensembles: Mapping[str, Any], providers: Mapping[str, Any] | None = None, **server: Any
    ) -> Server:
        """The server over this case's upstream, on a thread of its own."""
        first = next(iter(ensembles))
        config = configured(
            self.up, ensembles=ensembles, providers=providers, default=first, passthrough=True, **server
        )
        return self.at(await self._in_thread(hosted(config)))

    def at(self, served: Served) -> Server:
        """A server that runs already."""
        server = Server(served.port, self.client)
        self._servers.append(server)
        return server

    def forget(self) -> None:
        """Do not look after the servers of up to now any more: they have ended, or are about to."""
        self._servers.clear()

    async def _in_thread(self, context: contextlib.AbstractContextManager[Served]) -> Served:
        # Starting and stopping block, and the upstream has to go on meanwhile.
        async def leave() -> None:
            await asyncio.to_thread(context.__exit__, None, None, None)

        served = await asyncio.to_thread(context.__enter__)
        self._stack.push_async_callback(leave)
        return served

    # Afterwards --------------------------------------------------------------------------------------

    async def probe(self) -> None:
        """Look whether no call was left running, and whether everything still answers."""
        within = 1.0 * self.scale.slack
        await self.up.idle(within)
        async with asyncio.timeout(5 * self.scale.slack):
            answer = await self.lab()("say:alive").run("why")
            self.holds("the library does not answer any more", answer.text == "alive")
            for server in self._servers:
                heard = await server.chat("lab/say:alive")
                self.holds("the server does not answer any more", heard.text == "alive")
        await self.up.idle(within)


async def until(condition: Any, within: float = 10) -> None:
    """Wait until something is so."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not so within {within:g} s")
        await asyncio.sleep(0.002)


async def each(work: Iterable[Any], *, at_once: int) -> list[Any]:
    """Await every coroutine, so many at once; the results in order."""
    slots = asyncio.Semaphore(at_once)

    async def one(unit: Any) -> Any:
        async with slots:
            return await unit

    return await asyncio.gather(*(one(unit) for unit in work))


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def encoded(body: object) -> bytes:
    """JSON, as a client sends it."""
    return json.dumps(body).encode()


@contextlib.asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Fail, with the time that was given, what takes too long."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimeoutError(f"not done within {seconds:g} s") from None
