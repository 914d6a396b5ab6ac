"""What Open WebUI sends, and what a stream to it holds."""

import json
from typing import Any

from tests.server.serving import KEY, Reply, Served

OURS = "/openwebui/v1/chat/completions"
PLAIN = "/v1/chat/completions"
TITLE = """### Task:
Generate a concise, 3-5 word title summarizing the chat history.
### Output:
JSON format: { "title": "your concise title here" }
### Chat History:
<chat_history>
USER: why
</chat_history>"""
MERGE = (
    "You have been provided with a set of responses from various models to the latest user query: "
    '"why"\n\nResponses from models: "because"'
)


def say(
    served: Served, text: Any = "why", *, path: str = OURS, model: str = "panel", stream: bool = True,
    headers: dict[str, str] | None = None, **fields: Any,
) -> Reply:  # fmt: skip
    """Ask as Open WebUI does: nothing but these fields."""
    messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
    body = {"model": model, "messages": messages, "stream": stream, **fields}
    return served.request("POST", path, body, headers=headers)


def chunks(reply: Reply) -> list[dict[str, Any]]:
    """The chunks of a stream; each is a whole one that an OpenAI client can read."""
    assert reply.status == 200, reply.body
    found = []
    for block in reply.body.decode().split("\n\n"):
        if block.startswith("data: {"):
            chunk = json.loads(block.removeprefix("data: "))
            assert isinstance(chunk["choices"], list)
            assert "error" in chunk or chunk["object"] == "chat.completion.chunk"
            found.append(chunk)
    return found


def events(reply: Reply, kind: str) -> list[dict[str, Any]]:
    """The data of the events of one kind."""
    found = [chunk["event"] for chunk in chunks(reply) if "event" in chunk]
    assert all(set(event) == {"type", "data"} for event in found)
    return [event["data"] for event in found if event["type"] == kind]


def statuses(reply: Reply) -> list[str]:
    return [status["description"] for status in events(reply, "status")]


def sources(reply: Reply) -> list[tuple[str, str]]:
    """Each source's name and text."""
    found = events(reply, "source")
    assert all(len(source["document"]) == len(source["metadata"]) == 1 for source in found)
    ids = [source["metadata"][0]["source"] for source in found]
    assert len(set(ids)) == len(ids)
    return [(source["source"]["name"], source["document"][0]) for source in found]


def pieces(reply: Reply, field: str = "content") -> list[str]:
    deltas = (choice["delta"] for chunk in chunks(reply) for choice in chunk["choices"])
    return [delta[field] for delta in deltas if delta.get(field)]


def shape(reply: Reply) -> list[str]:
    """What kind of thing comes after what, repetitions told once."""
    told: list[str] = []
    for chunk in chunks(reply):
        if "error" in chunk:
            kind = "error"
        elif "event" in chunk:
            data = chunk["event"]["data"]
            kind = "done" if data.get("done") else chunk["event"]["type"]
        elif chunk.get("usage"):
            kind = "usage"
        elif chunk["choices"][0]["finish_reason"]:
            kind = "finish"
        else:
            delta = chunk["choices"][0]["delta"]
            kind = "role" if "role" in delta else next(iter(delta))
        if not told or told[-1] != kind:
            told.append(kind)
    if reply.body.endswith(b"data: [DONE]\n\n"):
        told.append("[DONE]")
    return told


def send(served: Served, path: str, text: str = "why") -> Any:
    """Begin a streamed chat on a connection of its own, which is returned."""
    connection = served.connection()
    body = {"model": "panel", "messages": [{"role": "user", "content": text}], "stream": True}
    connection.request("POST", path, json.dumps(body), {"authorization": f"Bearer {KEY}"})
    return connection
