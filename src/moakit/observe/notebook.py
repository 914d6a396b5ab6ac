"""The live view of a run in a notebook cell: each call's progress, the answer as it comes, what it took."""

from __future__ import annotations

import html
import importlib
import re
import time
from typing import Any

from moakit.errors import UserError
from moakit.events import (
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    Delta,
    Event,
    Judged,
    RunFailed,
    RunFinished,
)
from moakit.layers import Layer
from moakit.models.tokens import estimate
from moakit.observe.figures import dollars, seconds, tokens
from moakit.observe.terminal import closing, visible
from moakit.types import Answer, Prompt, Response

REFRESH = 0.1
"""Seconds between two pictures of a cell; each is sent whole."""
LONGEST = 100
"""Characters of an error that are shown."""
_MARKUP = re.compile(r"([\\`*_\[\]()#|~$])")


def watch(ensemble: Layer, prompt: str | Prompt, **parameters: Any) -> Answer:
    """Run in a notebook cell and show it live; returns the answer.

    `parameters` are sampling for the final layer, as in `ensemble(prompt, …)`. Interrupting the cell cancels
    every call in flight. Raises `MoaError`, `UserError` outside a notebook.
    """
    ipython = _display()
    view = NotebookView()
    cell = ipython.display(ipython.Markdown(view.markdown()), display_id=True)
    shown = time.monotonic()
    try:
        with ensemble.stream(prompt, proposers=True, **parameters) as stream:
            for event in stream:
                view.take(event)
                if time.monotonic() - shown >= REFRESH:
                    cell.update(ipython.Markdown(view.markdown()))
                    shown = time.monotonic()
    except KeyboardInterrupt:
        view.stop()
        raise
    finally:
        cell.update(ipython.Markdown(view.markdown()))
    return stream.answer


def _display() -> Any:
    """Return what shows something in a cell; raises `UserError` where there is none."""
    try:
        if importlib.import_module("IPython").get_ipython() is not None:
            return importlib.import_module("IPython.display")
    except ImportError:
        pass
    raise UserError(
        "a run is watched in a notebook, and this is none", hint="call the ensemble, or iterate its `stream`"
    )


class NotebookView:
    """Turns a run's events into Markdown: a table of its calls, then the answer.

    Give it every event of the run; `markdown` is what there is to show so far.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._answer: list[str] = []
        self._closing = ""

    def take(self, event: Event) -> None:
        """Take an event."""
        match event:
            case Delta() if event.answer and event.kind == "content" and not event.index:
                self._answer.append(event.text)
                self._row(event).answers()
            case Delta():
                self._row(event).write(event.text)
            case CallStarted():
                self._rows[event.path] = _Row(event.model, event.role)
            case CallRetried():
                self._row(event).note = f"{_short(event.error)}; again in {seconds(event.wait)}"
            case CallFailed():
                self._row(event).end("✗", _short(event.error))
            case CallFinished():
                self._row(event).end("✓", _figures(event.response))
            case Judged() if event.error:
                row = self._rows[f"{event.path} verdict"] = _Row("verdict", "judge")
                row.end("✗", _cut(event.error))
            case RunFinished():
                self._answer = [event.answer.text]
                self._closing = closing(event.answer)
            case RunFailed():
                self._closing = _short(event.error)

    def stop(self) -> None:
        """Show that the run was stopped by the user."""
        for row in self._rows.values():
            if not row.ended:
                row.end("·", "stopped")
        self._closing = "stopped"

    def markdown(self) -> str:
        """Return what there is to show."""
        parts: list[str] = []
        if self._rows:
            lines = [row.line(path) for path, row in self._rows.items()]
            parts.append("\n".join(["| | | model | role | |", "|---|---|---|---|---|", *lines]))
        if self._answer:
            parts.append(visible("".join(self._answer)))
        if self._closing:
            parts.append(f"---\n\n*{_plain(self._closing)}*")
        return "\n\n".join(parts) or "…"

    def _row(self, event: Event) -> _Row:
        """Return the row of an event's call; what a layer of the reader's own streams has none before."""
        return self._rows.setdefault(event.path, _Row(event.path or "answer", ""))


class _Row:
    """What is shown of one call."""

    def __init__(self, model: str, role: str) -> None:
        self.model = model
        self.role = role
        self.mark = "…"
        self.note = "waiting"
        self.ended = False
        self._written = 0

    def write(self, text: str) -> None:
        self._written += estimate(text)
        self.mark, self.note = "→", f"about {tokens(self._written)}"

    def answers(self) -> None:
        if not self.ended:
            self.mark, self.note = "→", "answers"

    def end(self, mark: str, note: str) -> None:
        self.mark, self.note, self.ended = mark, note, True

    def line(self, path: str) -> str:
        cells = (path.removesuffix(" verdict"), self.model, self.role, self.note)
        place, model, role, note = map(_plain, cells)
        return f"| {self.mark} | {place} | {model} | {role} | {note} |"


def _figures(response: Response) -> str:
    parts = [seconds(response.seconds), tokens(response.usage.completion_tokens)]
    if response.cost:
        parts.append(dollars(response.cost))
    if response.attempts > 1:
        parts.append(f"{response.attempts} attempts")
    return " · ".join(parts)


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _MARKUP.sub(r"\\\1", html.escape(visible(" ".join(text.split())), quote=False))


def _short(error: Exception) -> str:
    return _cut(getattr(error, "message", None) or str(error))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
