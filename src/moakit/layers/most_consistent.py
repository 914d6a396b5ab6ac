"""The layer whose judge picks the reference that most others agree with."""

from __future__ import annotations

from typing import Any, ClassVar

from moakit.layers.judged_selection import JudgedSelection, judging
from moakit.layers.judging import Question


class MostConsistent(JudgedSelection):
    """Gives the reference that most others agree with, verbatim (self-consistency, arXiv 2311.17311).

    The vote for answers in free form, where there is nothing to count. One call. Without a verdict that can
    be used: the reference most alike the others by its words, and a degraded run.

    >>> MostConsistent("demo/judge").shape(4)
    1
    """

    question: ClassVar[Question] = judging(
        "Find what most of the references agree on, and choose the one that is most consistent with it. "
        "Do not judge who is right: the majority decides.",
        '{"best": N}, where N is the number of the most consistent reference.',
    )

    def to_config(self) -> Any:
        """Return `{"most_consistent": …}`."""
        return {"most_consistent": self.judge.to_config()}
