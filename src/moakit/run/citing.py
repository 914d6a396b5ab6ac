"""Reading the marks of an answer that was asked to cite its references: `cite = true`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from moakit.prompts.citations import citations_in
from moakit.run.ledger import enter_reply

if TYPE_CHECKING:
    from moakit.models.base import Reply
    from moakit.run.attempts import Attempts
    from moakit.run.scope import Run
    from moakit.types import Response


class Cited(NamedTuple):
    """A response, the places of the references it cites, and how many of its marks lead to none."""

    response: Response
    places: tuple[int, ...]
    false: int


def cites(run: Run, parameters: Mapping[str, Any]) -> bool:
    """Say whether a call with references is asked to cite them: it writes the answer, and that is prose."""
    if not (run.tail and run.settings.cite):
        return False
    form = parameters.get("response_format")
    return form is None or (isinstance(form, Mapping) and form.get("type") == "text")


def enter_cited(attempts: Attempts, reply: Reply, *, references: int, left_out: int) -> Response:
    """Enter a reply that cites in the ledger; what has not been shown yet loses its false marks."""
    journey = attempts.run.journey
    found = citations_in(reply.text, references)
    if found.false and not journey.answered:
        reply = msgspec.structs.replace(reply, text=found.text)
    response = enter_reply(attempts, reply, left_out=left_out)
    journey.cited = Cited(response, found.places, found.false)
    return response
