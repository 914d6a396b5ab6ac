"""The tables of the layers that criticise, revise, review, analyse or aggregate in parts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from moakit.config.waiting import Count, Waiting, doc


class CritiqueConfig(Waiting, kw_only=True, frozen=True):
    """A layer that has every reference criticised."""

    critique: Annotated[Any, doc("the agent or ensemble that criticises")]
    max_tokens: Annotated[Count | None, doc("the longest critique, in tokens")] = None


class ReviseConfig(Waiting, kw_only=True, frozen=True):
    """A layer in which every reference is revised in the light of the others."""

    revise: Annotated[
        Any, doc("one agent for all, or a list of one for each; an empty list: those that wrote them")
    ]
    max_tokens: Annotated[Count | None, doc("the longest revision, in tokens")] = None


class PeerReviewConfig(Waiting, kw_only=True, frozen=True):
    """A layer in which reviewers rank the references without knowing who wrote them."""

    peer_review: Annotated[Any, doc("the agents that rank")]
    keep: Annotated[Count, doc("how many references stay, the best ones")] = 1
    instructions: Annotated[str | None, doc("what reviewers judge by, in place of moakit's text")] = None
    max_tokens: Annotated[Count | None, doc("the longest reply of a reviewer, in tokens")] = None


class WindowConfig(Waiting, kw_only=True, frozen=True):
    """A layer that aggregates the references a few at a time, carrying the best one along."""

    window: Annotated[Any, doc("the agent or ensemble that writes, or an aggregator's table")]
    size: Annotated[int, Meta(ge=2, description="how many each call reads, the carried one among them")] = 6
    max_tokens: Annotated[Count | None, doc("the longest response, in tokens")] = None


class TreeConfig(Waiting, kw_only=True, frozen=True):
    """A layer that aggregates the references in groups, and the groups' responses again."""

    tree: Annotated[Any, doc("the agent or ensemble that writes, or an aggregator's table")]
    fan: Annotated[int, Meta(ge=2, description="how many each call reads at most")] = 2
    max_tokens: Annotated[Count | None, doc("the longest response, in tokens")] = None


class AnalyseConfig(Waiting, kw_only=True, frozen=True):
    """A layer that puts a judge's notes before the references."""

    analyse: Annotated[Any, doc("the judge, an agent")]
    instructions: Annotated[str | None, doc("what the judge notes, in place of moakit's text")] = None
    max_tokens: Annotated[Count | None, doc("the longest notes, in tokens")] = None


TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("critiques", CritiqueConfig),
    ("revisions", ReviseConfig),
    ("a peer review", PeerReviewConfig),
    ("a window", WindowConfig),
    ("a tree", TreeConfig),
    ("an analysis", AnalyseConfig),
)
"""These tables, in the order they are documented."""
