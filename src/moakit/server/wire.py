"""The chat completion format, as this server writes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from moakit.events import Delta, Event, to_mapping
from moakit.server.replies import Failure
from moakit.types import Answer, Usage

_encode = msgspec.json.encode
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


class Chunks:
    """Writes the chunks of one streamed answer; what is the same in all of them is encoded once."""

    __slots__ = ("_content", "_head", "_kinds")

    def __init__(self, run_id: str, model: str) -> None:
        head = _encode(
            {
                "id": f"chatcmpl-{run_id}",
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "model": model,
            }
        )
        self._head = b"data: " + head[:-1]
        self._content = self._head + b',"choices":[{"index":0,"delta":{"content":'

    def opening(self, index: int = 0) -> bytes:
        """Return the first chunk, which names the role."""
        return self.choice(index, {"role": "assistant", "content": ""})

    def delta(self, delta: Delta) -> bytes:
        """Return a piece of the answer."""
        if delta.kind == "content":
            if delta.data is None and delta.index == 0:
                return self._content + _encode(delta.text) + b'},"finish_reason":null}]}\n\n'
            return self.choice(
                delta.index, {"content": delta.text}, logprobs=(delta.data or {}).get("logprobs")
            )
        if delta.kind == "tool":
            return self.choice(delta.index, {"tool_calls": (delta.data or {}).get("tool_calls")})
        return self.choice(delta.index, {"reasoning_content": delta.text})

    def event(self, event: Event) -> bytes:
        """Return an event of the run, in a chunk that other clients pass over."""
        return self._head + b',"choices":[],"moa_event":' + _encode(to_mapping(event)) + b"}\n\n"

    def closing(self, answer: Answer) -> bytes:
        """Return the chunks that give each choice its finish reason."""
        choices = answer.response.extra.get("choices") or [
            {"index": 0, "finish_reason": answer.response.finish_reason}
        ]
        return b"".join(
            self.choice(choice.get("index", 0), {}, finish=choice.get("finish_reason") or "stop")
            for choice in choices
        )

    def usage(self, usage: Mapping[str, Any]) -> bytes:
        """Return the chunk with the usage."""
        return self._head + b',"choices":[],"usage":' + _encode(usage) + b"}\n\n"

    def aside(self, fields: Mapping[str, Any]) -> bytes:
        """Return a chunk with fields of ours beside empty choices."""
        return self._head + b',"choices":[],' + _encode(fields)[1:] + b"\n\n"

    @staticmethod
    def failure(failure: Failure) -> bytes:
        """Return an error inside the stream."""
        return b"data: " + _encode({"error": failure.body(), "choices": []}) + b"\n\n"

    def choice(
        self, index: int, delta: Mapping[str, Any], *, finish: str | None = None, logprobs: Any = None
    ) -> bytes:
        """Return a chunk with one choice."""
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return self._head + b',"choices":[' + _encode(choice) + b"]}\n\n"


def completion(answer: Answer, model: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole answer."""
    response = answer.response
    message: dict[str, Any] = {"role": "assistant", "content": response.text or None, "refusal": None}
    if response.tool_calls:
        message["tool_calls"] = list(response.tool_calls)
    if response.reasoning:
        message["reasoning_content"] = response.reasoning
    for name in ("refusal", "annotations", "audio"):
        if response.extra.get(name) is not None:
            message[name] = response.extra[name]
    first = {
        "index": 0,
        "message": message,
        "logprobs": response.extra.get("logprobs"),
        "finish_reason": response.finish_reason,
    }
    others = [choice for choice in response.extra.get("choices") or () if choice.get("index")]
    content = {
        "id": f"chatcmpl-{answer.run_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [first, *others],
        "usage": usage,
    }
    if response.extra.get("system_fingerprint"):
        content["system_fingerprint"] = response.extra["system_fingerprint"]
    return content


def usage_of(answer: Answer, *, report: str = "total") -> dict[str, Any]:
    """Return OpenAI's usage with `cost` and `moa`: totals, or with `report="final"` the last call's."""
    final, total = _tokens(answer.response.usage), _tokens(answer.usage)
    calls = [
        {
            "path": call.path,
            "model": call.model,
            "role": call.role,
            "prompt_tokens": call.usage.prompt_tokens,
            "completion_tokens": call.usage.completion_tokens,
            "cost": call.cost,
            "seconds": round(call.seconds, 4),
            "status": call.status,
            **({"left_out": call.left_out} if call.left_out else {}),
            **({"error": call.error, "message": call.message} if call.error else {}),
        }
        for call in answer.calls
    ]
    swapped = report == "final"
    return {
        **(final if swapped else total),
        "cost": answer.cost,
        "moa": {
            "run_id": answer.run_id,
            "degraded": answer.degraded,
            ("total" if swapped else "final"): total if swapped else final,
            **_cited(answer),
            "calls": calls,
        },
    }


def _cited(answer: Answer) -> dict[str, Any]:
    """Return the paths of the calls that the answer cites, and how many of its marks lead nowhere."""
    cited = [answer.references[place].path for place in answer.citations]
    told: dict[str, Any] = {"citations": cited} if cited else {}
    return {**told, "false_citations": answer.false_citations} if answer.false_citations else told


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
