"""The tables of the layers that decide, when they run, which of theirs answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]


def _doc(text: str) -> Meta:
    return Meta(description=text)


class RouteConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that runs one of several, chosen for each prompt."""

    routes: Annotated[dict[str, Any], _doc("layers by name")]
    by: Annotated[Any, _doc('words by name, `"/…/"` for a regular expression, or an agent that chooses')]
    default: Annotated[str | None, _doc("the route where none is chosen")] = None
    descriptions: Annotated[dict[str, str] | None, _doc("what the agent is told of each route")] = None


class CascadeConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that asks cheap stages first, dearer ones where those disagree."""

    cascade: Annotated[list[Any], _doc("the stages, the cheap one first")]
    agree: Annotated[float, Meta(gt=0, le=1, description="how much a stage's references must agree")] = 0.7
    judge: Annotated[Any, _doc("an agent that says how much; by default their words do")] = None


class UntilConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that repeats another one until it changes nothing more."""

    until: Annotated[Any, _doc("the layer inside")]
    times: Annotated[Count, _doc("the most rounds")] = 3
    agreement: Annotated[
        float, Meta(gt=0, le=1, description="how alike what it gives and what it was given must be")
    ] = 0.9


class MapConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that answers several smaller questions instead of one."""

    map: Annotated[Any, _doc("the layer that answers each")]
    split: Annotated[Any, _doc("the agent that splits the prompt")]
    join: Annotated[bool, _doc("make one response of all")] = False
    most: Annotated[Count, _doc("the most sub-questions")] = 8


TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("a router", RouteConfig),
    ("a cascade", CascadeConfig),
    ("a repeated layer", UntilConfig),
    ("a layer of sub-questions", MapConfig),
)
"""These tables, in the order they are documented."""
