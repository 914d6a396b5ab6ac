"""What a caller hears of a chat: its text, its end, what it is told besides."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass
class Heard:
    """An answer as it came, streamed or whole; `done` says that it ended as a complete one does."""

    status: int
    headers: Mapping[str, str]
    text: str = ""
    reasoning: str = ""
    done: bool = False
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls that moakit tells of in the usage."""
        found: list[dict[str, Any]] = self.usage.get("moa", {}).get("calls", [])
        return found

    @property
    def degraded(self) -> bool:
        return bool(self.usage.get("moa", {}).get("degraded"))


async def hear(response: aiohttp.ClientResponse) -> Heard:
    """Read an answer to its end, whatever that is."""
    heard = Heard(response.status, {name.lower(): value for name, value in response.headers.items()})
    with contextlib.suppress(aiohttp.ClientPayloadError):
        async for part in response.content.iter_any():
            heard.raw += part
    if response.content_type == "text/event-stream":
        for block in heard.raw.decode().split("\n\n"):
            if block.startswith("data: "):
                _take(heard, block.removeprefix("data: "))
    elif response.content_type == "application/json":
        body = json.loads(heard.raw)
        heard.error = body.get("error") or {}
        if body.get("choices"):
            choice = body["choices"][0]
            heard.text = choice["message"]["content"] or ""
            heard.reasoning = choice["message"].get("reasoning_content") or ""
            heard.finish, heard.usage, heard.done = choice["finish_reason"], body["usage"], True
    return heard


def _take(heard: Heard, data: str) -> None:
    if data == "[DONE]":
        heard.done = True
        return
    chunk = json.loads(data)
    heard.error = chunk.get("error") or heard.error
    heard.usage = chunk.get("usage") or heard.usage
    for choice in chunk["choices"]:
        heard.text += choice["delta"].get("content") or ""
        heard.reasoning += choice["delta"].get("reasoning_content") or ""
        heard.finish = choice["finish_reason"] or heard.finish
