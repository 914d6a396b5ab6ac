"""Drawing an ensemble: its layers as a Mermaid flowchart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from moakit.layers.agent import Agent
from moakit.layers.proposers import Proposers

if TYPE_CHECKING:
    from moakit.layers.base import Layer

LONGEST = 40
"""Characters of a name, of an edge's label or of an option that are drawn."""
_LIST = re.compile(r"[.-](?=\s)")


class Link(NamedTuple):
    """An edge between two of a layer's children, by their places; dotted where it is not always taken.

    A source of None is the layer's own decision, which is drawn as a rhombus.
    """

    source: int | None
    target: int
    label: str = ""
    dotted: bool = False


def to_mermaid(layer: Layer) -> str:
    """Return the flowchart of a layer, the same text for the same layer.

    A layer with layers inside is a subgraph, an agent a node with its model's name, a node's number its
    address; what is asked only when something fails hangs on a dotted edge, the bench has a dashed border.
    """
    drawing = _Drawing()
    drawing.node("prompt", 'prompt(["prompt"])')
    if getattr(layer, "in_order", False):
        ids = [drawing.layer(child, str(place)) for place, child in enumerate(layer.children())]
    else:
        ids = [drawing.layer(layer, "")]
    drawing.node("answer", 'answer(["answer"])')
    for one, other in zip(["prompt", *ids], [*ids, "answer"], strict=True):
        drawing.edge(one, other)
    return drawing.text()


def label(text: str) -> str:
    """Return a text as a label's: cut, on one line, what Mermaid would read as its own written as a code.

    >>> label('say "hi"; 1. end')
    'say #34;hi#34;#59; 1#46; end'
    """
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    listed = {match.start() for match in _LIST.finditer(text)}
    return "".join(
        sign if at not in listed and _drawn(sign) else f"#{ord(sign)};" for at, sign in enumerate(text)
    )


def _drawn(sign: str) -> bool:
    return sign.isalnum() or sign in " ./_,()=×·…–-"


class _Drawing:
    """The lines of a flowchart: nodes and subgraphs first, then the edges."""

    def __init__(self) -> None:
        self._nodes: list[str] = []
        self._edges: list[str] = []
        self._depth = 1
        self._styled = False

    def node(self, name: str, line: str) -> str:
        self._nodes.append("    " * self._depth + line)
        return name

    def edge(self, one: str, other: str, words: str = "", *, dotted: bool = False) -> None:
        said = f' "{label(words)}" ' if words else ""
        arrow = (f"-.{said}.->" if said else "-.->") if dotted else (f"--{said}-->" if said else "-->")
        self._edges.append(f"    {one} {arrow} {other}")

    def layer(self, layer: Layer, path: str, *, bench: bool = False) -> str:
        """Draw a layer and what is inside; return the name that edges lead to."""
        name = "n" + path.replace(".", "_")
        style = ":::bench" if bench else ""
        self._styled |= bench
        children = layer.children()
        lead = children[0] if len(children) == 1 and not layer.links() else layer
        if isinstance(lead, Agent):
            said = _agent(lead) if lead is layer else f"{_caption(layer)}<br/>{_agent(lead)}"
            self.node(name, f'{name}["{said}"]{style}')
            self._fallbacks(lead, name)
            return name
        if not children:
            return self.node(name, f'{name}["{_caption(layer)}"]{style}')
        self._nodes.append("    " * self._depth + f'subgraph {name}["{_caption(layer)}"]')
        self._depth += 1
        asked = len(layer.layers) if isinstance(layer, Proposers) else len(children)
        inside = [
            self.layer(child, f"{path}.{place}" if path else str(place), bench=place >= asked)
            for place, child in enumerate(children)
        ]
        if any(link.source is None for link in layer.links()):
            self.node(f"{name}d", f'{name}d{{"?"}}')
        self._depth -= 1
        self._nodes.append("    " * self._depth + "end")
        if bench:
            self._nodes.append("    " * self._depth + f"class {name} bench")
        for link in layer.links():
            source = f"{name}d" if link.source is None else inside[link.source]
            self.edge(source, inside[link.target], link.label, dotted=link.dotted)
        return name

    def text(self) -> str:
        style = ["    classDef bench stroke-dasharray: 4 4"] if self._styled else []
        return "\n".join(["flowchart LR", *self._nodes, *self._edges, *style])

    def _fallbacks(self, agent: Agent, name: str) -> None:
        """Draw who stands in for an agent, in the order they are asked."""
        before = name
        for number, other in enumerate(agent.stand_ins):
            after = f"{name}f{number}"
            self.node(after, f'{after}["{_agent(other)}"]')
            self.edge(before, after, "fallback", dotted=True)
            before = after


def _agent(agent: Agent) -> str:
    return (label(agent.model) or "agent") + (f" × {agent.samples}" if agent.samples != 1 else "")


def _caption(layer: Layer) -> str:
    """Return a layer's name or class, with those of its options that are short."""
    parts = [label(layer.title) or label(type(layer).__name__)]
    parts.extend(_options(layer))
    return "<br/>".join(parts)


def _options(layer: Layer) -> Iterator[str]:
    for name, value in layer.options().items():
        if name == "samples":
            yield f"× {value}"
        elif name not in ("name", "description", "prompt") and isinstance(value, str | int | float):
            yield label(f"{name} = {value}")
