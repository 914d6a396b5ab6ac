"""A bare aiohttp and msgspec loop: no retries, limits, timeouts, events or accounting."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from . import wire

HEADERS = {"content-type": "application/json", "authorization": "Bearer x"}


class Bare:
    """Three POSTs gathered, one with their answers."""

    def __init__(self, base_url: str, aggregator: str = "d") -> None:
        self.url = f"{base_url}/chat/completions"
        self.aggregator = aggregator
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=HEADERS,
            timeout=aiohttp.ClientTimeout(),
        )

    async def run(self, prompt: str) -> str:
        """The answer, asked for whole."""
        references = await self.propose(prompt)
        return await self.post(wire.request(self.aggregator, prompt, references))

    async def stream(self, prompt: str) -> str:
        """The answer, asked for as a stream."""
        return "".join([text async for text in self.texts(prompt)])

    async def texts(self, prompt: str) -> AsyncIterator[str]:
        """The answer's text, a piece for every network read."""
        references = await self.propose(prompt)
        body = wire.request(self.aggregator, prompt, references, stream=True)
        events = wire.Events()
        async with self.session.post(self.url, data=body) as response:
            async for data in response.content.iter_any():
                if text := events.text(data):
                    yield text

    async def propose(self, prompt: str) -> list[str]:
        """The three proposals."""
        return await asyncio.gather(*(self.post(wire.request(model, prompt)) for model in ("a", "b", "c")))

    async def post(self, body: bytes) -> str:
        """The text of one JSON answer."""
        async with self.session.post(self.url, data=body) as response:
            return wire.whole.decode(await response.read()).choices[0].message.content or ""

    async def close(self) -> None:
        """Closes its connections."""
        await self.session.close()
