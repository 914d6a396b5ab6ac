"""The least client that can talk to the upstream."""

import asyncio
import json
from typing import Any

import aiohttp

from .calls import Call
from .server import Upstream


class Client:
    """Chat completions in one line each; every request says hi there."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.session = session

    def post(self, model: str, text: str = "hi there", **fields: Any) -> Any:
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | fields
        return self.session.post(f"{self.upstream.base_url}/chat/completions", json=body)

    async def json(self, model: str, text: str = "hi there", **fields: Any) -> Any:
        async with self.post(model, text, **fields) as response:
            return json.loads(await response.read())

    async def text(self, model: str, text: str = "hi there", **fields: Any) -> Any:
        answer = await self.json(model, text, **fields)
        return answer["choices"][0]["message"]["content"]

    async def raw(self, model: str, text: str = "hi there", **fields: Any) -> bytes:
        async with self.post(model, text, stream=True, **fields) as response:
            body: bytes = await response.read()
            return body

    async def chunks(self, model: str, text: str = "hi there", **fields: Any) -> list[Any]:
        """Every chunk but `[DONE]`."""
        lines = (await self.raw(model, text, **fields)).decode("utf-8-sig").splitlines()
        data = [line[6:] for line in lines if line.startswith("data: ")]
        return [json.loads(item) for item in data if item != "[DONE]"]


def joined(chunks: list[Any], key: str = "content", index: int = 0) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(delta.get(key) or "" for delta in deltas)


def finishes(chunks: list[Any]) -> list[str]:
    return [
        choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]
    ]


async def settled(call: Call) -> str:
    """How the call ended, once it has."""
    while call.status == "open":
        await asyncio.sleep(0.001)
    return call.status
