"""Clients of many kinds, each of which knows a wrong answer when it gets one."""

import asyncio
import json
import random
import time
from collections import Counter
from itertools import count
from typing import Any

import aiohttp

WHOLE = " ".join(f"w{number}" for number in range(1, 21))
"""What a complete answer says."""
TOLD = frozenset({429, 502, 503, 504})
"""The statuses of a request that failed for its models' sake, or for want of a place."""
PATIENCE = 60.0
"""Seconds after which a request that did not end is a defect."""
KINDS = {"whole": 35, "streamed": 31, "told": 4, "openwebui": 4, "leaving": 25, "slow": 1}
"""What clients do, out of 100."""
ROUGH = ("rough", "rough", "bare", "panel", "small")


class Wrong(Exception):
    """An answer that no client should get."""


class Clients:
    """Asks one server, and counts what becomes of it."""

    def __init__(self, port: int, session: aiohttp.ClientSession, seed: int) -> None:
        self.became: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.gone: dict[str, float] = {}
        self.random = random.Random(seed)
        self._url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self._openwebui = f"http://127.0.0.1:{port}/openwebui/v1/chat/completions"
        self._session = session
        self._numbers = count()

    @property
    def done(self) -> int:
        """The requests that have ended, one way or another."""
        return self.became.total()

    def name(self) -> str:
        """A name that no other request has."""
        return f"client-{next(self._numbers)}"

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()

    async def all_answered(self, model: str, requests: int) -> bool:
        """Whether so many requests at once all get the whole answer, from every model."""
        before = self.became["answered"]
        half = requests // 2
        asking = [self.whole(model) for _ in range(half)]
        asking += [self.streamed(model) for _ in range(requests - half)]
        await asyncio.gather(*map(self.counted, asking))
        return self.became["answered"] - before == requests

    async def any(self) -> None:
        """One request of a random kind."""
        kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        model = self.random.choice(ROUGH)
        if kind == "leaving":
            after = self.random.expovariate(1 / 0.15)
            await self.counted(self.leave(model, after, stream=self.random.random() < 0.5))
        elif kind == "slow":
            await self.counted(self.slowly(self.random.uniform(0.2, 1.0)))
        elif kind == "whole":
            await self.counted(self.whole(model))
        else:
            told, openwebui = kind == "told", kind == "openwebui"
            await self.counted(self.streamed(model, events=told, openwebui=openwebui))

    async def counted(self, asking: Any) -> None:
        """Counts what becomes of a request; a wrong answer is kept."""
        try:
            async with asyncio.timeout(PATIENCE):
                became = await asking
        except TimeoutError:
            became = "wrong"
            self.wrong.append(f"no end after {PATIENCE:g} s")
        except (Wrong, aiohttp.ClientError, ValueError, KeyError) as error:
            became = "wrong"
            self.wrong.append(f"{type(error).__name__}: {error}")
        self.became[became] += 1

    async def whole(self, model: str, name: str = "why") -> str:
        """An answer in one piece."""
        async with self._session.post(self._url, json=_body(model, name)) as response:
            if response.status != 200:
                return await _refusal(response)
            answer = await response.json()
            return _complete(answer["choices"][0]["message"]["content"], response)

    async def streamed(
        self, model: str, name: str = "why", *, events: bool = False, openwebui: bool = False
    ) -> str:
        """An answer read token by token."""
        body = _body(model, name, stream=True) | ({"moa": {"events": True}} if events else {})
        url = self._openwebui if openwebui else self._url
        async with self._session.post(url, json=body) as response:
            if response.status != 200:
                return await _refusal(response)
            text = ""
            async for line in response.content:
                data = line.removeprefix(b"data: ").strip()
                if data == b"[DONE]":
                    return _complete(text, response)
                if not data or data.startswith(b":"):
                    continue
                chunk = json.loads(data)
                if "error" in chunk:
                    return "failed in the stream"
                if chunk.get("choices"):
                    text += chunk["choices"][0]["delta"].get("content") or ""
        raise Wrong(f"a stream ended without an end: {text[-100:]!r}")

    async def leave(self, model: str, after: float, name: str = "why", *, stream: bool) -> str:
        """A client that leaves after so many seconds, wherever its request is by then."""
        asking = asyncio.create_task(self.streamed(model, name) if stream else self.whole(model, name))
        try:
            await asyncio.wait([asking], timeout=after)
            if asking.done():
                return asking.result()
            self.gone[name] = time.monotonic()
            return "left"
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    async def slowly(self, seconds: float) -> str:
        """A client that reads two megabytes slowly, and leaves when it is tired of them."""
        async with self._session.post(self._url, json=_body("flood", "why", stream=True)) as response:
            if response.status != 200:
                return await _refusal(response)
            end = time.monotonic() + seconds
            while time.monotonic() < end and await response.content.read(4096):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            response.close()
        return "read slowly"


def _body(model: str, name: str, *, stream: bool = False) -> dict[str, Any]:
    message = {"role": "user", "content": f"{name}: is anything left behind?"}
    return {"model": model, "messages": [message], "stream": stream}


async def _refusal(response: aiohttp.ClientResponse) -> str:
    error = (await response.json())["error"]
    if response.status not in TOLD or error.keys() != {"message", "type", "param", "code"}:
        raise Wrong(f"{response.status} {error}")
    return "no place" if error["code"] == "server_overloaded" else f"failed, {response.status}"


def _complete(text: str, response: aiohttp.ClientResponse) -> str:
    if text != WHOLE:
        raise Wrong(f"not the whole answer: {text[-200:]!r}")
    return "degraded" if response.headers["x-moa-degraded"] == "true" else "answered"
