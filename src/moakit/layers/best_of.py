"""The layer whose judge picks the best reference."""

from __future__ import annotations

from typing import Any, ClassVar

from moakit.layers.judged_selection import JudgedSelection, judging
from moakit.layers.judging import Question


class BestOf(JudgedSelection):
    """Gives the reference its judge finds best, verbatim (best of n, as in Archon, arXiv 2409.15254).

    One call. Without a verdict that can be used: the reference most alike the others, and a degraded run.

    >>> BestOf("demo/judge").shape(4)
    1
    """

    question: ClassVar[Question] = judging(
        "Choose the reference that serves the user best: correct first, then complete, then clear.",
        '{"best": N}, where N is the number of the best reference.',
    )

    def to_config(self) -> Any:
        """Return `{"best_of": …}`."""
        return {"best_of": self.judge.to_config()}
