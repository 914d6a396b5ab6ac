"""The layer that puts a judge's notes before the references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from moakit.errors import MoaError, ShapeError, UserError
from moakit.events import Judged
from moakit.layers.base import Layer
from moakit.layers.given import check_given
from moakit.layers.judging import Verdict, as_judge, object_in
from moakit.layers.lettered import Lettered, letters, refuse_prompt
from moakit.layers.payable import check_payable
from moakit.layers.side_by_side import share
from moakit.layers.summary import Plan
from moakit.models.base import Model
from moakit.policies.settings import Settings, settings_from
from moakit.prompts.analysis import CLOSING, INSTRUCTIONS, TITLES, as_markdown, as_prose
from moakit.run.scope import References, Run
from moakit.types import Prompt


class Analyse(Layer):
    """Has a judge compare the references, and gives its notes before them (as OpenRouter's Fusion does).

    The notes are one response in Markdown: consensus, contradictions, partial coverage, unique insights and
    blind spots; the references follow word for word, so that an `Aggregator` after it reads both. One call.
    Notes in another form are passed on as prose; without any, because the judge failed or took longer than
    `deadline` (seconds for this layer), the references go on alone. In both cases the run is degraded and
    `Judged` says why. `instructions` replace what the judge is told to note.

    >>> Analyse("demo/skeptic").shape(3)
    4
    """

    keeps_deadline: ClassVar[bool] = True

    def __init__(
        self, judge: Layer | str | Model, *, instructions: str | None = None, **settings: Any
    ) -> None:
        self.judge = as_judge(judge)
        self.instructions = instructions
        self.settings: Settings = settings_from("Analyse", ("instructions",), **settings)
        refuse_prompt("Analyse", self.settings)
        check_payable("Analyse", self)

    async def forward(self, prompt: Prompt, references: References, run: Run) -> References:
        """Ask the judge and return its notes, then the references."""
        check_given(references, run)
        strict = bool(run.settings.strict)
        question = Lettered(instructions=self.instructions or INSTRUCTIONS, closing=CLOSING)
        timeout = share(run, self.settings.deadline)
        try:
            (reply,) = await run(
                self.judge, prompt, references, at=0, role="judge", deadline=timeout, layout=question
            )
        except MoaError as error:
            if strict or isinstance(error, UserError):
                raise
            run.degrade()
            run.tell(Judged, error=str(error))
            return references
        called = letters(len(references))
        try:
            notes = _notes(object_in(reply.text))
        except ValueError as error:
            run.degrade()
            run.tell(Judged, error=f"the notes are not in the form asked for: {error}")
            text = as_prose(reply.text, called)
        else:
            run.tell(Judged, verdict=notes)
            text = as_markdown(notes, called)
        return (msgspec.structs.replace(reply, text=text), *references)

    def shape(self, references: int | None) -> int | None:
        """Return one more than go in."""
        if references == 0:
            raise ShapeError("an Analyse has no references to compare", hint="put Proposers before it")
        return None if references is None else references + 1

    def plan(self, references: int | None = 0) -> Plan:
        """Return one call."""
        return self.judge.plan(references)

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that the notes may be, then that of each reference."""
        from moakit.layers.outlook import lengths_inside

        return [*lengths_inside(self, given, settings), *given]

    def options(self) -> dict[str, Any]:
        """Return the instructions, if they were given, and the settings."""
        given = {} if self.instructions is None else {"instructions": self.instructions}
        return given | self.settings.given()

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy with another judge."""
        del place
        return Analyse(layer, **self.options())

    def to_config(self) -> Any:
        """Return `{"analyse": …}` with the instructions and the settings."""
        given = {} if self.instructions is None else {"instructions": self.instructions}
        return {"analyse": self.judge.to_config(), **given, **self.settings.to_config()}


def _notes(said: Verdict) -> Mapping[str, list[str]]:
    """Return the notes in a verdict by their keys; raises `ValueError`."""
    notes: dict[str, list[str]] = {}
    for key in TITLES:
        value = said.get(key) or []
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(note, str) for note in listed):
            raise ValueError(f'"{key}" is not a list of texts')
        notes[key] = [note.strip() for note in listed if note.strip()]
    if not any(notes.values()):
        raise ValueError("there is nothing in them")
    return notes
