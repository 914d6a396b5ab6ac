"""Whose turn it is: runs take turns, first come first served inside a run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)


class Turn(NamedTuple, Generic[T]):
    """Who is next, of which run, and how many tokens it asks for."""

    run_id: str
    who: T
    tokens: int


class Turns(Generic[T]):
    """Those who wait, in a circle of runs: a run with many does not starve a run with one."""

    __slots__ = ("_count", "_runs")

    def __init__(self) -> None:
        # Ordered dicts: their first key is found, and any key removed, at once, however many there are.
        self._runs: OrderedDict[str, OrderedDict[T, int]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, run_id: str, who: T, tokens: int) -> None:
        """Let one more wait, behind the others of its run; a run that is new comes after all runs."""
        self._runs.setdefault(run_id, OrderedDict())[who] = tokens
        self._count += 1

    def first(self) -> Turn[T] | None:
        """Return who is next, None when nobody waits."""
        for run_id, waiting in self._runs.items():
            for who, tokens in waiting.items():
                return Turn(run_id, who, tokens)
        return None

    def serve(self, turn: Turn[T]) -> None:
        """Take out the one who is next; its run has had its turn."""
        self._runs.move_to_end(turn.run_id)
        self.remove(turn.run_id, turn.who)

    def remove(self, run_id: str, who: T) -> None:
        """Take out one who does not wait any more; one who is out already stays out."""
        waiting = self._runs.get(run_id)
        if waiting is not None and waiting.pop(who, None) is not None:
            self._count -= 1
            if not waiting:
                del self._runs[run_id]

    def before(self, run_id: str) -> int:
        """Return how many have their turn before one who would come now."""
        mine = len(self._runs.get(run_id, ()))
        count = mine
        rounds = mine + 1
        for other, waiting in self._runs.items():
            if other == run_id:
                # Runs that come after this one in the circle have had a turn less by then.
                rounds -= 1
            else:
                count += min(len(waiting), rounds)
        return count
