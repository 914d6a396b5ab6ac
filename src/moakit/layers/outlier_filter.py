"""The layer that drops the references least like the others."""

from __future__ import annotations

from typing import Any

from moakit.layers.likeness import checked_measure, likeness, without_measure
from moakit.layers.selection import Selection, whole_number
from moakit.policies.agreement import Measure
from moakit.run.scope import References, Run
from moakit.types import Prompt

LEAST = 2
"""Of fewer references than these it cannot be said who stands alone."""


class OutlierFilter(Selection):
    """Drops the `drop` references least like the others, one after the other, and leaves at least two.

    Against the one agent that deceives, which costs an ensemble more than several good ones give it (arXiv
    2503.05856): it helps where the honest ones agree, and takes away the lonely right answer as well. Of
    equal ones the shorter is dropped, then the later. `measure` says how alike two texts are, 0 to 1; by
    default their words do. No calls.

    >>> OutlierFilter().shape(4), OutlierFilter(drop=3).shape(4)
    (3, 2)
    """

    def __init__(self, drop: int = 1, *, measure: Measure | None = None) -> None:
        self.drop = whole_number("OutlierFilter", "drop", drop)
        self.measure = checked_measure("OutlierFilter", measure)

    async def choose(self, prompt: Prompt, references: References, run: Run) -> list[int]:
        """Return the places of those that stay."""
        del prompt, run
        table = likeness(references, self.measure)
        stay = list(range(len(references)))

        def standing(place: int) -> tuple[float, int, int]:
            return (sum(table[place][other] for other in stay), len(references[place].text), -place)

        while len(stay) > self.kept(len(references)):
            stay.remove(min(stay, key=standing))
        return stay

    def kept(self, references: int) -> int:
        """Return all but `drop`, at least two."""
        return max(references - self.drop, LEAST)

    def options(self) -> dict[str, Any]:
        """Return what is not the default."""
        given: dict[str, Any] = {} if self.drop == 1 else {"drop": self.drop}
        return given if self.measure is None else {**given, "measure": self.measure}

    def to_config(self) -> Any:
        """Return `{"drop_outliers": …}`."""
        without_measure(self.measure)
        return {"drop_outliers": self.drop}
