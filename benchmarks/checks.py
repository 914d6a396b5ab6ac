"""That a server side answers what it should before it is measured."""

import json
import urllib.request
from typing import Any

from . import payloads


def post(port: int, body: dict[str, Any], path: str = "/v1/chat/completions") -> bytes:
    """The body of an answer."""
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  it is http
        data: bytes = response.read()
        return data


def check(port: int, side: str) -> None:
    """Both formats carry the aggregator's text, whole and in order."""
    messages = [{"role": "user", "content": payloads.PROMPT}]
    whole = json.loads(post(port, {"model": "panel", "messages": messages}))
    assert whole["choices"][0]["message"]["content"] == payloads.answer(payloads.TOKENS), (
        f"{side}: a wrong answer"
    )
    for model, tokens in (("panel", payloads.TOKENS), ("paced", payloads.PACED_TOKENS)):
        text = streamed(post(port, {"model": model, "messages": messages, "stream": True}))
        assert text == payloads.answer(tokens), f"{side}: a wrong stream"


def streamed(body: bytes) -> str:
    """The text of a stream that ends as it should."""
    events = [event[6:] for event in body.decode().split("\n\n") if event.startswith("data: ")]
    assert events[-1] == "[DONE]", events[-1]
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    assert choices[-1]["finish_reason"] == "stop", choices[-1]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
