"""The upstream's answers, built once."""

import json
from typing import Any

TOKENS = 300
PACED_TOKENS = 100
PACE = 0.010
PROMPT = "Compare the three answers below with care. What is the meaning of life, and how would one know?"

_SENTENCE = (
    "the meaning of a life is not found in one place but made in many small ones and most people who were "
    "asked said that work friends rest and play all count while none of them counts alone"
)
_WORDS = _SENTENCE.split()


def answer(tokens: int) -> str:
    """The text that every model answers."""
    return " ".join(_WORDS[i % len(_WORDS)] for i in range(tokens))


def prompt_tokens() -> int:
    """What the upstream claims to have read."""
    return 40


def whole(tokens: int = TOKENS) -> bytes:
    """A complete HTTP answer with a `chat.completion`."""
    body = _encode(
        {
            "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": "bench-model-2026",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer(tokens), "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _usage(tokens),
            "system_fingerprint": "fp_44709d6fcb",
        }
    )
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


def stream(tokens: int = TOKENS) -> list[bytes]:
    """The pieces of a streamed answer after its head, each event an HTTP chunk: role, tokens, end."""
    words = answer(tokens).split(" ")
    texts = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
    end = b"".join(
        (_event(_chunk({}, "stop")), _event(_usage_chunk(tokens)), _event(b"[DONE]"), b"0\r\n\r\n")
    )
    role = _event(_chunk({"role": "assistant", "content": ""}))
    return [role, *(_event(_chunk({"content": text})) for text in texts), end]


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _encode(_head() | {"choices": [choice]})


def _usage_chunk(tokens: int) -> bytes:
    return _encode(_head() | {"choices": [], "usage": _usage(tokens)})


def _head() -> dict[str, Any]:
    return {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "bench-model-2026",
        "system_fingerprint": "fp_44709d6fcb",
    }


def _usage(tokens: int) -> dict[str, int]:
    prompt = prompt_tokens()
    return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def _event(data: bytes) -> bytes:
    line = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
