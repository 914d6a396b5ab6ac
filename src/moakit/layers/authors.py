"""Finding the agent that wrote a response, by the response's address."""

from __future__ import annotations

from moakit.layers.agent import Agent
from moakit.run.scope import Run
from moakit.types import Response


def author_of(response: Response, run: Run) -> Agent | None:
    """Return the agent whose call a response is, None where a layer of one's own has made it up."""
    journey = run.journey
    if journey.authors is not None and isinstance(agent := journey.authors.get(response.path), Agent):
        return agent
    layer = journey.root
    for step in response.path.split(".") if response.path else ():
        number = step.partition("#")[0]
        children = () if layer is None else layer.children()
        layer = children[int(number)] if number.isdecimal() and int(number) < len(children) else None
    return layer if isinstance(layer, Agent) else None


def enter_author(path: str, agent: Agent, run: Run) -> None:
    """Note who is asked at an address that is not one of the ensemble's."""
    if run.journey.authors is None:
        run.journey.authors = {}
    run.journey.authors[path] = agent
