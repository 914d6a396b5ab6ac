"""The layer that keeps the references that differ most."""

from __future__ import annotations

from typing import Any

from moakit.layers.likeness import checked_measure, likeness, most_alike, without_measure
from moakit.layers.selection import Selection, whole_number
from moakit.policies.agreement import Measure
from moakit.run.scope import References, Run
from moakit.types import Prompt


class Diverse(Selection):
    """Keeps `keep` references that differ from each other as much as they can (RMoA, arXiv 2505.24442).

    Greedy: first the one most alike all others, then again and again the one whose nearest among those taken
    is farthest; of equal ones the first. `measure` says how alike two texts are, 0 to 1; by default their
    words do. No calls.

    >>> Diverse(2).shape(5)
    2
    """

    def __init__(self, keep: int, *, measure: Measure | None = None) -> None:
        self.keep = whole_number("Diverse", "keep", keep)
        self.measure = checked_measure("Diverse", measure)

    async def choose(self, prompt: Prompt, references: References, run: Run) -> list[int]:
        """Return the places of those that differ most."""
        del prompt, run
        table = likeness(references, self.measure)
        if self.measure is None:
            taken = most_alike(references)
        else:
            taken = [max(range(len(references)), key=lambda place: sum(table[place]))]
        while len(taken) < self.keep:
            left = [place for place in range(len(references)) if place not in taken]
            taken.append(min(left, key=lambda place: max(table[place][one] for one in taken)))
        return taken

    def kept(self, references: int) -> int:
        """Return `keep`."""
        del references
        return self.keep

    def options(self) -> dict[str, Any]:
        """Return what is not the default."""
        return {"keep": self.keep} | ({} if self.measure is None else {"measure": self.measure})

    def to_config(self) -> Any:
        """Return `{"diverse": …}`."""
        without_measure(self.measure)
        return {"diverse": self.keep}
