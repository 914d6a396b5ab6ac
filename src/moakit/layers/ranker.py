"""The layer whose judge ranks the references."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

from moakit.errors import ConfigError
from moakit.layers.base import Layer
from moakit.layers.judged_selection import JudgedSelection, judging
from moakit.layers.judging import Question, Verdict, number_of, value_of, verdict
from moakit.layers.likeness import most_alike
from moakit.layers.selection import whole_number
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.run.scope import References, Run
from moakit.types import Prompt

HIGHEST = 10
BETTER = judging(
    "Compare the two references: which one serves the user better? Correct first, then complete, then clear.",
    '{"better": N}, where N is the number of the better reference, or 0 when neither is better.',
)


class Ranker(JudgedSelection):
    """Keeps the `keep` references its judge ranks highest, in the order they were declared.

    By "scores" it gives every reference 0 to 10 in one call (the judge of Sparse MoA, arXiv 2411.03284); by
    "pairs" it compares each two, both ways round, which takes n (n - 1) calls at once and cancels a
    preference for what stands first: where the two verdicts differ it is a draw (PairRanker of LLM-Blender,
    arXiv 2306.02561). Of equal ones the first stays. Without a verdict that can be used a pair is a draw;
    without any, those most alike the others are kept. Either degrades the run.

    >>> Ranker("demo/judge", keep=2, by="pairs").plan(4).calls
    12
    """

    question: ClassVar[Question] = judging(
        f"Give every reference a score from 0 (of no use) to {HIGHEST} (could not be better): correct first, "
        "then complete, then clear. Use the whole range; equal scores are for equally good ones.",
        '{"scores": [SCORES]}, one number for each reference, in their order.',
    )

    def __init__(
        self, judge: Layer | str | Model, *, keep: int = 1, by: Literal["scores", "pairs"] = "scores"
    ) -> None:
        super().__init__(judge)
        self.keep = whole_number("Ranker", "keep", keep)
        if by not in ("scores", "pairs"):
            raise ConfigError(f"Ranker: by = {by!r} is not 'scores' or 'pairs'")
        self.by = by

    async def choose(self, prompt: Prompt, references: References, run: Run) -> list[int]:
        """Return the places of the highest ranked."""
        rank = self._by_pairs if self.by == "pairs" else self._by_scores
        scores = await rank(prompt, references, run)
        if scores is None:
            return most_alike(references, self.keep)
        return sorted(range(len(references)), key=lambda place: -scores[place])[: self.keep]

    def kept(self, references: int) -> int:
        """Return `keep`."""
        del references
        return self.keep

    def cost(self, references: int) -> Plan:
        """Return one call, or two for each pair, all at once."""
        return Plan(references * (references - 1) if self.by == "pairs" else 1, 1)

    def options(self) -> dict[str, Any]:
        """Return what is not the default."""
        given = {} if self.keep == 1 else {"keep": self.keep}
        return given if self.by == "scores" else {**given, "by": self.by}

    def to_config(self) -> Any:
        """Return `{"rank": …}` with the settings."""
        return {"rank": self.judge.to_config(), **self.options()}

    async def _by_scores(self, prompt: Prompt, references: References, run: Run) -> Sequence[float] | None:
        count = len(references)

        def read(said: Verdict) -> list[float]:
            scores = value_of(said, "scores")
            if not isinstance(scores, list) or len(scores) != count:
                raise ValueError(f'"scores" is not a list of {count} numbers')
            return [number_of(score, 0, HIGHEST) for score in scores]

        closing = self.question.closing.replace("SCORES", ", ".join(["N"] * count))
        question = Question(instructions=self.question.instructions, closing=closing)
        return await verdict(run, self.judge, question, read, prompt=prompt, references=references)

    async def _by_pairs(self, prompt: Prompt, references: References, run: Run) -> Sequence[float] | None:
        pairs = list(combinations(range(len(references)), 2))

        def compared(one: int, other: int) -> asyncio.Task[int | None]:
            shown = (references[one], references[other])
            asked = verdict(run, self.judge, BETTER, _better, prompt=prompt, references=shown)
            return run.journey.loop.create_task(asked)

        tasks = [task for one, other in pairs for task in (compared(one, other), compared(other, one))]
        try:
            verdicts = await asyncio.gather(*tasks)
        finally:
            # Nothing goes on alone when one of them ends the run, or the run is cancelled.
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if all(said is None for said in verdicts):
            return None
        points = [0.0] * len(references)
        for (one, other), there, back in zip(pairs, verdicts[::2], verdicts[1::2], strict=True):
            first = there == 1 and back == 2
            second = there == 2 and back == 1
            points[one] += 1.0 if first else 0.0 if second else 0.5
            points[other] += 1.0 if second else 0.0 if first else 0.5
        return points


def _better(said: Verdict) -> int:
    value = number_of(value_of(said, "better"), 0, 2)
    if not value.is_integer():
        raise ValueError(f'"better" is {value:g}, not 1, 2 or 0')
    return int(value)
