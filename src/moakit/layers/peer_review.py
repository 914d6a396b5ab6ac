"""The layer in which reviewers rank the references without knowing who wrote them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from moakit.errors import ConfigError, MoaError, ShapeError
from moakit.events import Judged
from moakit.layers.agent import Agent
from moakit.layers.base import Layer
from moakit.layers.given import check_given
from moakit.layers.judging import Verdict, as_judge, value_of, verdict
from moakit.layers.lettered import Lettered, ranking_of, refuse_prompt
from moakit.layers.likeness import most_alike
from moakit.layers.payable import check_payable
from moakit.layers.side_by_side import share, side_by_side
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.borda import Tally, borda
from moakit.policies.settings import Settings, settings_from
from moakit.prompts.review import CLOSING, INSTRUCTIONS
from moakit.run.scope import References, Run
from moakit.types import Prompt


class PeerReview(Layer):
    """Has every reviewer rank all references, and keeps those ranked best (as llm-council does).

    The references are called A, B, C, in an order of its own for each reviewer, which the run's id decides;
    nobody is told who wrote what, so that a reviewer may have its own response before it and not know. The
    rankings are added up (Borda: of n the best gets n - 1 points, the last none; of two with the same points
    the one that came first more often is better, then the one declared earlier). The `keep` best come out,
    best first and word for word; `Judged` tells the tally. One call for each reviewer, side by side; a single
    reference takes none. `quorum`, `grace` (seconds) and `deadline` (seconds for this layer) say how long to
    wait. A reviewer without a ranking that can be used is done without, and the run is degraded; without any,
    those come first with which the others agree most. With fewer rankings than a `minimum` of its own it is
    `NotEnoughResponses`. `instructions` replace what the reviewers are told to judge by.

    >>> PeerReview("demo/planner", "demo/skeptic", keep=2).shape(3)
    2
    """

    keeps_deadline: ClassVar[bool] = True

    def __init__(
        self,
        *reviewers: Layer | str | Model,
        keep: int = 1,
        instructions: str | None = None,
        **settings: Any,
    ) -> None:
        if not reviewers:
            raise ConfigError("PeerReview needs at least one reviewer")
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
            raise ConfigError(f"PeerReview: keep = {keep!r} is not a whole number, 1 or more")
        self.reviewers: tuple[Agent, ...] = tuple(map(as_judge, reviewers))
        self.keep = keep
        self.instructions = instructions
        self.settings: Settings = settings_from("PeerReview", ("keep", "instructions"), **settings)
        refuse_prompt("PeerReview", self.settings)
        check_payable("PeerReview", self)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> References:
        """Ask the reviewers at once and return the best references."""
        check_given(references, run)
        if len(references) == 1:
            return references
        timeout = share(run, self.settings.deadline)
        rankings: dict[int, list[int]] = {}

        async def review(place: int) -> References:
            order = list(range(len(references)))
            # Nobody can guess the run's id, and everybody can repeat the order who knows it.
            random.Random(f"{run.run_id}|{run.path}|{place}").shuffle(order)
            rankings[place] = await self._ranking(place, order, prompt, references, run)
            return (references[rankings[place][0]],)

        # Rankings that agree do not make others needless; an inherited minimum counts proposals.
        minimum = self.settings.minimum or 0
        settings = msgspec.structs.replace(run.settings, agreement=None, minimum=minimum)
        units = [review(place) for place in range(len(self.reviewers))]
        await side_by_side(units, run, timeout=timeout, settings=settings, who="reviewer")
        if not rankings:
            run.degrade()
            run.tell(Judged, error="there is no ranking: the references that agree most come first")
            return tuple(references[at] for at in most_alike(references, self.keep))
        tallies = borda(list(rankings.values()), len(references))
        run.tell(Judged, verdict=_told(tallies, references, len(rankings)))
        return tuple(references[tally.place] for tally in tallies[: self.keep])

    async def _ranking(
        self, place: int, order: Sequence[int], prompt: Prompt, references: References, run: Run
    ) -> list[int]:
        """Return the places of the references as a reviewer ranks them, who sees them in this order."""
        reviewer = self.reviewers[place]

        def read(said: Verdict) -> list[int]:
            ranking = ranking_of(value_of(said, "ranking"), len(order))
            return [order[shown] for shown in ranking]

        shown = [references[at] for at in order]
        question = Lettered(instructions=self.instructions or INSTRUCTIONS, closing=CLOSING)
        ranking = await verdict(run, reviewer, question, read, prompt=prompt, references=shown, at=place)
        if ranking is None:
            raise MoaError(f"{reviewer.model} gave no ranking that can be used")
        return ranking

    def shape(self, references: int | None) -> int | None:
        """Return how many are kept."""
        if references == 0:
            raise ShapeError("a PeerReview has no references to rank", hint="put Proposers before it")
        if references is None:
            return 1 if self.keep == 1 else None
        return min(self.keep, references)

    def plan(self, references: int | None = 0) -> Plan:
        """Return one call for each reviewer, in the steps of one; a single reference takes none."""
        if references == 1:
            return Plan(0, 0)
        plans = [reviewer.plan(references) for reviewer in self.reviewers]
        return Plan(sum(plan.calls for plan in plans), max(plan.steps for plan in plans))

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that the references that are kept may be."""
        del settings
        return sorted(given, reverse=True)[: self.keep]

    def options(self) -> dict[str, Any]:
        """Return what is kept, the instructions if they were given, and the settings."""
        given = {} if self.instructions is None else {"instructions": self.instructions}
        return {"keep": self.keep} | given | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy in which one reviewer is another."""
        reviewers = [*self.reviewers[:place], layer, *self.reviewers[place + 1 :]]
        return PeerReview(*reviewers, **self.options())

    def to_config(self) -> Any:
        """Return `{"peer_review": […]}` with what is kept, the instructions and the settings."""
        given = {} if self.instructions is None else {"instructions": self.instructions}
        reviewers = [reviewer.to_config() for reviewer in self.reviewers]
        return {"peer_review": reviewers, "keep": self.keep, **given, **self.settings.to_config()}


def _told(tallies: Sequence[Tally], references: References, reviews: int) -> Mapping[str, Any]:
    """Return the tally as plain data, the best reference first, each by its number."""
    return {
        "reviews": reviews,
        "tally": [
            {
                "reference": tally.place + 1,
                "path": references[tally.place].path,
                "model": references[tally.place].model,
                "points": tally.points,
                "firsts": tally.firsts,
            }
            for tally in tallies
        ],
    }
