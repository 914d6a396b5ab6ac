"""What the upstream remembers of its calls."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Call:
    """One request; times are the upstream's loop times, in seconds."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    at: float
    number: int = 1
    """Which call of this model it is, counted from one."""
    status: Literal["open", "done", "aborted"] = "open"
    """`done`: the upstream did all it meant to, faults included; `aborted`: the client left before."""
    code: int | None = None
    """The HTTP status that was sent; None while no headers are out."""
    sent: int = 0
    """Bytes of the body handed to the socket so far."""
    finished_at: float | None = None
    aborted_at: float | None = None
    raw: bytes = field(default=b"", repr=False)

    @property
    def model(self) -> str:
        model = self.body.get("model", "")
        return model if isinstance(model, str) else ""

    @property
    def key(self) -> str:
        """The bearer token; empty if there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def messages(self) -> list[dict[str, Any]]:
        found = self.body.get("messages")
        return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def prompt(self) -> str:
        """The text of all messages, one to a line."""
        return "\n".join(text_of(message) for message in self.messages)


class CallLog:
    """Every call since the last reset, with those in flight."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.peak = 0
        self._numbers: Counter[str] = Counter()
        self._in_flight: dict[int, Call] = {}

    @property
    def open(self) -> list[Call]:
        return list(self._in_flight.values())

    def reset(self) -> None:
        self.calls.clear()
        self._numbers.clear()
        self.peak = len(self._in_flight)

    def arrived(self, call: Call) -> None:
        self._numbers[call.model] += 1
        call.number = self._numbers[call.model]
        self.calls.append(call)
        self._in_flight[id(call)] = call
        self.peak = max(self.peak, len(self._in_flight))

    def left(self, call: Call, status: Literal["done", "aborted"], at: float) -> None:
        call.status = status
        call.finished_at = at
        if status == "aborted":
            call.aborted_at = at
        self._in_flight.pop(id(call), None)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message whose content is a string, parts or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
