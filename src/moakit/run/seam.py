"""The seam between an answer that broke off and what another model goes on with: nothing is said twice."""

from __future__ import annotations

from moakit.errors import BadResponse

HELD = 240
"""How many characters of the continuation are looked at before any of them is shown."""
LEAST = 8
"""The shortest repetition that is taken for one, in characters."""


class Seam:
    """Takes the continuation piece by piece and gives what is to be shown of it.

    A model may go on at once, repeat the last words first, or begin the whole answer afresh; of the last two
    what has been shown already is left out. `spaced` says that the words on both sides may have lost the
    space between them. Raises `BadResponse` when the model begins afresh with another answer.
    """

    __slots__ = ("_before", "_held", "_joined", "_spaced")

    def __init__(self, before: str, *, spaced: bool) -> None:
        self._before = before
        self._held = ""
        self._joined = False
        self._spaced = spaced

    def feed(self, piece: str) -> str:
        """Return what is to be shown after this piece."""
        if self._joined:
            return piece
        self._held += piece
        held, before = self._held.lstrip(), self._before.lstrip()
        afresh = before.startswith(held) and len(held) < len(before)
        if afresh or (len(held) < HELD and not held.startswith(before)):
            return ""
        return self._join()

    def close(self) -> str:
        """Return what was held back when the continuation has ended."""
        return "" if self._joined else self._join()

    def _join(self) -> str:
        self._joined = True
        held, before = self._held.lstrip(), self._before.lstrip()
        same = _common(held, before)
        if same == len(before):
            return held[same:]
        if same == len(held) and same >= LEAST:
            return ""
        if same >= max(LEAST, min(len(before) // 2, HELD // 2)):
            raise BadResponse("the continuation begins afresh, and differently", should_retry=False)
        for size in range(min(len(before), len(held)), LEAST - 1, -1):
            if before.endswith(held[:size]):
                return held[size:]
        if self._spaced and before[-1:].isalnum() and self._held[:1].isalnum():
            return f" {self._held}"
        return self._held


def _common(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    size = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        size += 1
    return size
