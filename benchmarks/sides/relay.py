"""What both bare relays do with a request: read it, run the bare loop, write OpenAI's format."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from . import wire
from .bare import Bare


class Asked(msgspec.Struct):
    """The client's request."""

    model: str
    messages: list[wire.Message]
    stream: bool = False


asked = msgspec.json.Decoder(Asked)


class Relay:
    """Answers chat completions; the model named `paced` has a paced aggregator."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.loops: dict[str, Bare] = {}
        self.serial = itertools.count(1)

    async def answer(self, request: Asked) -> bytes:
        """A whole `chat.completion`."""
        text = await self._loop(request.model).run(request.messages[-1].content or "")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return wire.encode(self._head(request, "chat.completion") | {"choices": [choice]})

    async def events(self, request: Asked) -> AsyncIterator[bytes]:
        """Server-sent events, one chunk with an id and model of the relay's own for every network read."""
        head = self._head(request, "chat.completion.chunk")
        async for text in self._loop(request.model).texts(request.messages[-1].content or ""):
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            yield b"data: " + wire.encode(head | {"choices": [choice]}) + b"\n\n"
        end = wire.encode(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield b"data: " + end + b"\n\ndata: [DONE]\n\n"

    async def close(self) -> None:
        """Closes its connections."""
        for loop in self.loops.values():
            await loop.close()

    def _loop(self, model: str) -> Bare:
        if model not in self.loops:
            aggregator = {"paced": "paced", "slow": "wait-0.5"}.get(model, "d")
            self.loops[model] = Bare(self.base_url, aggregator)
        return self.loops[model]

    def _head(self, request: Asked, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{next(self.serial)}", "object": kind, "created": 1, "model": request.model}
