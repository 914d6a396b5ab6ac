"""The tables of the layers that select, reorder or shorten references."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]


def _doc(text: str) -> Meta:
    return Meta(description=text)


class RankConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer whose judge keeps the best references."""

    rank: Annotated[Any, _doc("the judge, an agent")]
    keep: Annotated[Count, _doc("how many stay")] = 1
    by: Annotated[Literal["scores", "pairs"], _doc("one call that scores all, or two for each pair")] = (
        "scores"
    )


class BestOfConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer whose judge picks the best reference."""

    best_of: Annotated[Any, _doc("the judge, an agent")]


class MostConsistentConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer whose judge picks the reference that most others agree with."""

    most_consistent: Annotated[Any, _doc("the judge, an agent")]


class PatternConfig(msgspec.Struct, kw_only=True, frozen=True):
    """How an answer is read by a regular expression."""

    pattern: Annotated[str, _doc("the answer is its last match, or the first group of it")]


class VoteConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that keeps the answer most references give."""

    vote: Annotated[
        Literal["text", "number", "letter"] | dict[str, Any],
        _doc("what is counted: the whole text, the number, the letter, or `{ pattern = … }`"),
    ]
    weights: Annotated[dict[str, NotNegative], _doc("votes of a model, by its name; 1 by default")] = {}
    ties: Annotated[Literal["first", "error"], _doc("the answer given first wins, or an error")] = "first"


class DiverseConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that keeps the references that differ most."""

    diverse: Annotated[Count, _doc("how many stay")]


class DropOutliersConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that drops the references least like the others."""

    drop_outliers: Annotated[Count, _doc("how many go, as long as two stay")]


class ShuffleConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that changes the order of the references."""

    shuffle: Annotated[int, _doc("the seed; the same one gives the same order")]


class TruncateConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that cuts long references in their middle."""

    truncate: Annotated[Count, _doc("the longest a reference may be, in tokens")]


TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("a ranker", RankConfig),
    ("the best of several", BestOfConfig),
    ("the most consistent of several", MostConsistentConfig),
    ("a vote", VoteConfig),
    ("vote = { … }", PatternConfig),
    ("a diverse selection", DiverseConfig),
    ("a filter of outliers", DropOutliersConfig),
    ("another order", ShuffleConfig),
    ("shorter references", TruncateConfig),
)
"""These tables, in the order they are documented."""
