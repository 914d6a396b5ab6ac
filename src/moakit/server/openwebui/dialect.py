"""The stream Open WebUI gets: what is shown of the run, in chunks that other clients are never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moakit.events import Delta, Event, RunStarted
from moakit.observe.openwebui import Commentary, Note, Shown
from moakit.server.outlet import Outlet
from moakit.server.wire import usage_of

if TYPE_CHECKING:
    from starlette.types import Send

    from moakit.server.replies import Failure
    from moakit.server.requests import Work
    from moakit.types import Answer


class Dialect(Outlet):
    """An outlet that also shows the proposers at work; `show` says how (see `Commentary`)."""

    def __init__(self, work: Work, send: Send, *, report: str, show: Shown) -> None:
        super().__init__(work, send, report=report)
        self._commentary = Commentary(work.ensemble, show, lambda: self._journey.references)
        self._answering = False

    def read(self, event: Event) -> None:
        """Take an event of the run."""
        if type(event) is not Delta:
            if type(event) is RunStarted:
                self._open(0)
            self._show(*self._commentary.on(event))
        elif event.answer and not self._answering:
            self._answering = True
            self._show(*self._commentary.on(event))
        super().read(event)

    async def finish(self, answer: Answer) -> None:
        """Send the end of a good answer, with its totals."""
        self._show(self._commentary.totals(answer))
        await super().finish(answer)

    async def fail(self, failure: Failure) -> None:
        """Send an error inside the stream, after a last status."""
        self._show(self._commentary.failed())
        await super().fail(failure)

    def _closing(self, answer: Answer) -> bytes:
        usage = self._chunks.usage(usage_of(answer, report=self._report))
        return self._chunks.closing(answer) + usage

    def _show(self, *notes: Note) -> None:
        for note in notes:
            if note.event is None:
                self._pending.append(self._chunks.choice(0, {note.kind: note.content}))
            else:
                self._pending.append(self._chunks.aside(note.event))
