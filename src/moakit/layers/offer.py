"""What proposers are given of a request besides its conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from moakit.errors import InvalidRequest, ShapeError
from moakit.events import Judged
from moakit.layers.base import Layer
from moakit.layers.proposers import Proposers
from moakit.layers.structured import Form, form_of
from moakit.policies.merging import merged
from moakit.policies.settings import Settings
from moakit.policies.tool_votes import elected
from moakit.policies.tools import TOOL_PARAMETERS, offers_tools
from moakit.prompts.turns import called
from moakit.run.scope import NO_PARAMETERS, References, Run
from moakit.types import Response


class Offer(NamedTuple):
    """The parameters that the agents of a layer of proposers are sent, as those of the final layer are."""

    parameters: Mapping[str, Any]
    form: Form | None = None

    def to(self, layer: Layer) -> Mapping[str, Any]:
        """Return what a layer's agents are sent: judges, and ensembles inside, have no use for it."""
        return self.parameters if isinstance(layer, Proposers) else NO_PARAMETERS

    @staticmethod
    def elected(layer: Layer, proposals: References, run: Run) -> Response | None:
        """Return the proposal whose calls are the answer, None where no majority makes the same ones."""
        callers = sum(bool(proposal.tool_calls) for proposal in proposals)
        if not callers:
            return None
        # Who failed or came too late was asked as well: the calls of a minority are nobody's answer.
        voters = max(layer.shape(len(proposals)) or 0, len(proposals))
        winner, votes = elected(proposals, voters)
        run.tell(Judged, verdict={"tool_calls": winner is not None, "votes": votes, "of": voters})
        if winner is not None:
            run.journey.references = proposals
        return winner

    def merged(self, proposals: References, run: Run) -> Response | None:
        """Return the response that the proposals' fields make, None where the aggregator is to write."""
        if self.form is None:
            return None
        values = []
        for proposal in proposals:
            with suppress(ValueError):
                values.append(self.form.read(proposal.text))
        told = {"merged": False, "values": len(values), "of": len(proposals)}
        if len(values) < 2 or len(values) * 2 <= len(proposals):
            run.tell(Judged, verdict={**told, "why": "too few proposals are in the form"})
            return None
        try:
            text = json.dumps(merged(values), ensure_ascii=False)
            self.form.read(text)
        except ValueError as error:
            run.tell(Judged, verdict={**told, "why": str(error)})
            return None
        run.tell(Judged, verdict={**told, "merged": True})
        run.journey.references = proposals
        return Response(text=text, path=run.path, cost=0.0)


def offer_for(ensemble: Layer, run: Run) -> Offer | None:
    """Return what an ensemble offers its proposers of this request, None where that is nothing.

    Raises `InvalidRequest` when it does not take the request's tools.
    """
    policy, asked = run.settings.tools, run.parameters
    offered: dict[str, Any] = {}
    if policy not in (None, "aggregator") and offers_tools(asked):
        name = ensemble.title or type(ensemble).__name__
        if policy == "reject":
            raise InvalidRequest(
                f"{name} takes no tools", param="tools", hint="leave them out, or ask another model"
            )
        if not ensemble.children()[-1].resumes():
            raise _toolless(name, ensemble, policy)
        if policy == "vote":
            offered = {key: value for key, value in asked.items() if key in TOOL_PARAMETERS}
    form = form_of(asked) if run.settings.merge == "fields" else None
    if form is not None:
        offered["response_format"] = asked["response_format"]
    return Offer(offered, form) if offered else None


def as_intentions(proposals: References) -> References:
    """Return the proposals with their calls told in words: they are references, and nobody runs them."""
    return tuple(
        msgspec.structs.replace(
            proposal,
            text="\n".join(
                part for part in (proposal.text.strip(), *map(_intention, proposal.tool_calls)) if part
            ),
            tool_calls=(),
            finish_reason="stop",
        )
        if proposal.tool_calls
        else proposal
        for proposal in proposals
    )


def check_tools(owner: str, ensemble: Layer, settings: Settings) -> None:
    """Raise `ShapeError` for an ensemble that sets who gets the tools and ends in nobody to call them."""
    if settings.tools in ("bypass", "vote") and not ensemble.children()[-1].resumes():
        raise _toolless(owner, ensemble, settings.tools)


def _toolless(name: str, ensemble: Layer, policy: str | None) -> ShapeError:
    last = type(ensemble.children()[-1]).__name__
    return ShapeError(
        f"{name}: tools = {policy!r}, but no agent stands at its end that could call them: {last} does",
        hint="end it in an Aggregator or an agent",
    )


def _intention(call: Mapping[str, Any]) -> str:
    return f"[would call {called(call)}]"
