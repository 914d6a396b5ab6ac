"""What a model's name asks the upstream to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

Kind = Literal["flag", "text", "number"]

SHAPE: dict[str, Kind] = {
    "say": "text",
    "then": "text",
    "tokens": "number",
    "pace": "number",
    "reasoning": "text",
    "reasoning_as": "text",
    "think": "text",
    "tool": "text",
    "x": "number",
    "echo_tools": "flag",
    "nousage": "flag",
    "cached": "number",
    "usage_before": "flag",
    "logprobs": "flag",
    "extra": "flag",
    "fingerprint": "flag",
    "comments": "flag",
    "crlf": "flag",
    "cr": "flag",
    "multiline": "flag",
    "bom": "flag",
    "bytewise": "flag",
    "resumes": "flag",
    "times": "number",
    "every": "number",
}
FAULTS: dict[str, Kind] = {
    "sleep": "number",
    "ttft": "number",
    "empty": "flag",
    "blank": "flag",
    "null": "flag",
    "filter": "flag",
    "length": "flag",
    "huge": "number",
    "status": "number",
    "code": "text",
    "filter400": "flag",
    "leak": "flag",
    "refuse": "text",
    "retry_after": "text",
    "retry_after_ms": "number",
    "should_retry": "text",
    "reject": "text",
    "noprefill": "flag",
    "context": "number",
    "error200": "flag",
    "notjson": "flag",
    "hang": "flag",
    "close": "flag",
    "reset": "flag",
    "hang_after": "number",
    "stall": "number",
    "cut": "number",
    "badchunk": "number",
    "badutf8": "number",
    "error_in_stream": "number",
    "nodone": "flag",
    "nofinish": "flag",
    "silent_end": "flag",
    "stale": "flag",
}
PARTS = SHAPE | FAULTS


class BadPart(ValueError):
    """A known part with an argument that it cannot use: a slip in the test."""


@dataclass(frozen=True)
class Behaviour:
    """The parts of one model's name."""

    parts: Mapping[str, tuple[str, ...]]

    def has(self, name: str) -> bool:
        return name in self.parts

    def all(self, name: str) -> tuple[str, ...]:
        """Every argument of a part, as written."""
        return self.parts.get(name, ())

    def text(self, name: str) -> str:
        """The part's text; empty if the part is absent."""
        found = self.parts.get(name)
        return plain(found[0]) if found else ""

    def word(self, name: str) -> str:
        """The part's argument as written; empty if the part is absent."""
        found = self.parts.get(name)
        return found[0] if found else ""

    def number(self, name: str) -> float:
        """The part's number; zero if the part is absent."""
        return float(self.word(name) or 0)

    def count(self, name: str) -> int | None:
        """The part's whole number; None if the part is absent."""
        return int(self.number(name)) if name in self.parts else None

    def at_call(self, number: int) -> "Behaviour":
        """The behaviour in the model's call of that number, counted from one: by `times` and `every`."""
        times, every = self.count("times"), self.count("every")
        if (times is None or number <= times) and (every is None or number % every == 0):
            return self
        return Behaviour({name: found for name, found in self.parts.items() if name not in FAULTS})


def plain(argument: str) -> str:
    """A text as it is meant."""
    return unquote(argument.replace("_", " "))


def parse(model: str) -> Behaviour:
    """Reads a model's name; what is not a part is ignored."""
    parts: dict[str, tuple[str, ...]] = {}
    for part in model.split("+"):
        name, colon, argument = part.partition(":")
        kind = PARTS.get(name)
        if kind is None or (kind == "flag") == bool(colon):
            continue
        if kind == "number":
            try:
                float(argument)
            except ValueError:
                raise BadPart(f"{part!r} needs a number") from None
        parts[name] = (*parts.get(name, ()), argument)
    return Behaviour(parts)
