"""Telling a `<think>…</think>` at the start of a text from the text itself."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


def split(text: str) -> tuple[str, str]:
    """Return (reasoning, text) of a whole text."""
    stripped = text.lstrip()
    if not stripped.startswith(OPEN):
        return "", text
    reasoning, found, rest = stripped[len(OPEN) :].partition(CLOSE)
    return reasoning, rest.lstrip() if found else ""


class Splitter:
    """Does the same for a text that arrives in pieces."""

    __slots__ = ("_held", "state")

    def __init__(self) -> None:
        self.state = "start"
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """Return the (reasoning, text) that this piece makes certain."""
        if self.state == "text":
            return "", piece
        self._held += piece
        if self.state == "start":
            stripped = self._held.lstrip()
            if not stripped.startswith(OPEN):
                if OPEN.startswith(stripped):
                    return "", ""
                return "", self._release("text")
            self._held = stripped[len(OPEN) :]
            self.state = "think"
        if self.state == "think":
            reasoning, found, rest = self._held.partition(CLOSE)
            if not found:
                keep = _overlap(self._held)
                said, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
                return said, ""
            self._held = rest
            self.state = "gap"
            return reasoning, self._after_gap()
        return "", self._after_gap()

    def close(self) -> tuple[str, str]:
        """Return what was still held back when the stream ended."""
        state = self.state
        held = self._release("text")
        return (held, "") if state == "think" else ("", held)

    def _after_gap(self) -> str:
        # The blank lines between the reasoning and the text belong to neither.
        self._held = self._held.lstrip()
        return self._release("text") if self._held else ""

    def _release(self, state: str) -> str:
        held, self._held, self.state = self._held, "", state
        return held


def _overlap(text: str) -> int:
    """Return how many characters at the end of the text may be the beginning of the closing tag."""
    for size in range(min(len(text), len(CLOSE) - 1), 0, -1):
        if CLOSE.startswith(text[-size:]):
            return size
    return 0
