"""What a notebook shows of a layer: its picture, and below it what a run is planned to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moakit.errors import ShapeError
from moakit.layers.picture import to_mermaid

if TYPE_CHECKING:
    from moakit.layers.base import Layer


def to_markdown(layer: Layer) -> str:
    """Return the layer's flowchart as a block of Markdown, with its calls and steps if it can run by itself.

    >>> print(to_markdown(MoA(["demo/planner", "demo/skeptic"], "demo/editor")).splitlines()[-1])
    3 calls in 2 steps
    """
    picture = f"```mermaid\n{to_mermaid(layer)}\n```\n"
    try:
        layer.shape(0)
        calls, steps = layer.plan()
    except ShapeError:
        # It reads references, as an aggregator does.
        return picture
    return f"{picture}\n{_count(calls, 'call')} in {_count(steps, 'step')}\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
