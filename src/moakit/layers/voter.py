"""The layer that counts the answers in the references."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from moakit.errors import ConfigError, MoaError, NotEnoughResponses
from moakit.events import Judged
from moakit.layers.extraction import Extract, extractor, text_of_pattern
from moakit.layers.likeness import most_alike
from moakit.layers.selection import Selection
from moakit.run.scope import References, Run
from moakit.types import Prompt


class Voter(Selection):
    """Gives the first reference whose answer most references give, verbatim (self-consistency, 2203.11171).

    For questions with one short answer, where the vote gives most of what a debate would (arXiv 2508.17536).
    `extract` reads the answer: "text" (the whole response), "number" (the last one, or the boxed one),
    "letter" (of a choice), a pattern (its last match, its first group if it has one) or a function; one
    without an answer does not vote. `weights` are by model's name, 1 for those not named. With a tie the
    answer that was given first wins, or with `ties="error"` it is `NotEnoughResponses`; so it is when nobody
    votes, where otherwise the reference most alike the others is given and the run degraded. No calls.

    >>> Voter("number", weights={"demo/planner": 2})
    Voter(extract='number', weights={'demo/planner': 2})
    """

    def __init__(
        self,
        extract: Extract = "text",
        *,
        weights: Mapping[str, float] | None = None,
        ties: Literal["first", "error"] = "first",
    ) -> None:
        self.extract = extract
        self._read = extractor(extract)
        self.weights = dict(weights or {})
        for model, weight in self.weights.items():
            good = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not good or not 0 <= weight < math.inf:
                raise ConfigError(f"Voter: the weight {weight!r} of {model} is not a number, 0 or more")
        if ties not in ("first", "error"):
            raise ConfigError(f"Voter: ties = {ties!r} is not 'first' or 'error'")
        self.ties = ties

    async def choose(self, prompt: Prompt, references: References, run: Run) -> list[int]:
        """Return the place of the first that gives the answer most give."""
        del prompt
        votes: dict[str, float] = {}
        first: dict[str, int] = {}
        for place, reference in enumerate(references):
            answer = self._read(reference.text)
            weight = self.weights.get(reference.model, 1)
            if answer is not None and weight:
                votes[answer] = votes.get(answer, 0) + weight
                first.setdefault(answer, place)
        if not votes:
            return self._undecided(references, run)
        most = max(votes.values())
        winners = [answer for answer in votes if math.isclose(votes[answer], most)]
        if len(winners) > 1 and self.ties == "error":
            shown = ", ".join(f"{_short(answer)!r}" for answer in winners)
            raise _no_majority(run, f"the vote is tied between {shown}")
        run.tell(Judged, verdict={"votes": votes})
        return [first[winners[0]]]

    def options(self) -> dict[str, Any]:
        """Return what is not the default."""
        given: dict[str, Any] = {} if self.extract == "text" else {"extract": self.extract}
        given |= {"weights": self.weights} if self.weights else {}
        return given if self.ties == "first" else {**given, "ties": self.ties}

    def to_config(self) -> Any:
        """Return `{"vote": …}`, a pattern as `{"pattern": …}`; a function has no configuration."""
        options = self.options()
        vote: Any = options.pop("extract", "text")
        if isinstance(vote, re.Pattern):
            vote = {"pattern": text_of_pattern(vote)}
        elif not isinstance(vote, str):
            raise MoaError("an extract that is a function has no configuration", hint="use a pattern")
        return {"vote": vote, **options}

    def _undecided(self, references: References, run: Run) -> list[int]:
        problem = "no reference has an answer to count"
        if self.ties == "error":
            raise _no_majority(run, problem)
        run.degrade()
        run.tell(Judged, error=problem)
        return most_alike(references)


def _no_majority(run: Run, problem: str) -> NotEnoughResponses:
    return NotEnoughResponses(f"no majority ({run.path or 'the root'})", [MoaError(problem)])


def _short(answer: str) -> str:
    return answer if len(answer) <= 40 else answer[:39] + "…"
