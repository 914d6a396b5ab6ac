"""Making values of the bytes a fuzzer gives: every input makes one, and a change of a byte changes a part."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

MADE = b"\x01"
"""What an input begins with whose bytes steer the making of a value; any other is the text itself."""
NUMBERS = (0, 1, 2, 3, -1, 7, 100, 429, 500, 2**31, 2**63, 2**64, 10**30, 10**400, 0.5, -0.5, 1e300, 1e-300)
LETTERS = (
    "",
    " ",
    "a",
    "\n",
    "\r",
    "\t",
    "\x00",
    '"',
    "\\",
    "é",
    "🙂",
    "\u2028",
    "\u0085",
    "\ufeff",
    "<",
    "{",
)


class Source:
    """Bytes, taken from the front; when they are used up, everything is the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """A number from 0, of one byte."""
        byte = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return byte % below

    def choose(self, among: Sequence[T]) -> T:
        return among[self.number(len(among))]

    def text(self, words: Sequence[str]) -> str:
        """A few words and rare letters, joined."""
        return "".join(
            self.choose(words) if self.number(3) else self.choose(LETTERS) for _ in range(self.number(5))
        )

    def value(self, keys: Sequence[str], words: Sequence[str], depth: int = 6) -> Any:
        """Any JSON value; its objects have these keys, its texts are made of these words."""
        kind = self.number(8 if depth else 5)
        if kind == 0:
            return self.choose((None, True, False))
        if kind == 1:
            return self.choose(NUMBERS)
        if kind < 4:
            return self.choose(words)
        if kind == 4:
            return self.text(words)
        if kind == 5:
            return [self.value(keys, words, depth - 1) for _ in range(self.number(4))]
        return {self.choose(keys): self.value(keys, words, depth - 1) for _ in range(self.number(6))}

    def near(self, good: Any, keys: Sequence[str], words: Sequence[str], depth: int = 6) -> Any:
        """A value that is good but for a part here and there."""
        odds = self.number(16)
        if odds == 1:
            return self.value(keys, words, depth)
        if isinstance(good, dict):
            made = {key: self.near(value, keys, words, depth - 1) for key, value in good.items()}
            if odds == 2 and made:
                del made[self.choose(list(made))]
            elif odds == 3:
                made[self.choose(keys)] = self.value(keys, words, max(0, depth - 1))
            return made
        if isinstance(good, list):
            made = [self.near(value, keys, words, depth - 1) for value in good]
            return made * 2 if odds == 2 else made
        if isinstance(good, str) and odds == 2:
            return self.text([good, *words])
        return good


def made(data: bytes) -> Source | None:
    """The source in an input, None when the input is a text."""
    return Source(data[len(MADE) :]) if data.startswith(MADE) else None


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
