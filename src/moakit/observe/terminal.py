"""The live view of a run on a terminal: each proposer's progress, then the answer, then what it took."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from moakit.events import (
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    Delta,
    Event,
    Judged,
    LayerFinished,
    LayerStarted,
    RunFailed,
    RunFinished,
)
from moakit.models.tokens import estimate
from moakit.observe.figures import dollars, seconds, tokens
from moakit.types import Answer

REFRESH = 12
# What a model or a provider writes must not move the cursor, set the clipboard or the title.
_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


_DOING = {"aggregator": "aggregating", "judge": "judging"}


class _Line:
    """What is shown of one call."""

    def __init__(self, model: str, role: str, at: float) -> None:
        self.model = model
        self.role = role
        self.at = at
        self.state = "waiting"
        self.written = 0
        self.text = ""
        self.spinner = Spinner("dots", style="cyan")

    def cells(self) -> tuple[RenderableType, RenderableType, RenderableType]:
        mark: RenderableType = self.spinner
        if self.state == "done":
            mark = Text("✓", style="green")
        elif self.state == "answering":
            mark = Text("→", style="cyan")
        elif self.state == "stopped":
            mark = Text("·", style="dim")
        elif self.state == "failed":
            mark = Text("✗", style="red")
        return (
            mark,
            Text(visible(self.model), style="bold" if self.state != "failed" else "dim"),
            Text.from_markup(self.note()),
        )

    def note(self) -> str:
        if self.state in ("done", "failed", "retrying", "answering", "stopped"):
            return self.text
        what = _DOING.get(self.role, "writing")
        return f"[dim]{what}, about {tokens(self.written)}[/dim]" if self.written else "[dim]waiting[/dim]"


class TerminalView:
    """Shows a run: progress on one stream (standard error), the answer's tokens on another.

    Give it every event of the run; `close` leaves the terminal as it should be, whatever happened.
    """

    def __init__(self, *, out: TextIO | None = None, console: Console | None = None) -> None:
        self.out = out or sys.stdout
        self.console = console or Console(stderr=True, highlight=False)
        self._lines: dict[str, _Line] = {}
        self._live: Live | None = None
        self._layer = ""
        self._answering = False
        self._ended_with = "\n"

    def take(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Delta():
                self._delta(event)
            case LayerStarted() if "." not in event.path:
                self._begin(event)
            case LayerFinished() if "." not in event.path:
                self._end()
            case CallStarted():
                self._lines[event.path] = _Line(event.model, event.role, event.at)
                self._show()
            case CallFinished():
                self._finish(event)
            case CallRetried():
                again = f"{escape(_short(event.error))}; again in {seconds(event.wait)}"
                self._mark(event.path, "retrying", f"[yellow]{again}[/yellow]")
            case CallFailed():
                self._mark(event.path, "failed", f"[red]{escape(_short(event.error))}[/red]")
            case Judged() if event.error:
                line = self._lines[f"{event.path} verdict"] = _Line("verdict", "judge", event.at)
                line.state, line.text = "failed", f"[yellow]{escape(_cut(event.error))}[/yellow]"
            case RunFinished():
                self.close()
                self.console.print(f"\n[dim]{escape(visible(closing(event.answer)))}[/dim]")
            case RunFailed():
                self.close()

    def _mark(self, path: str, state: str, text: str) -> None:
        line = self._lines.get(path)
        if line is not None:
            line.state, line.text = state, text

    def stop(self) -> None:
        """Show that the run was stopped by the user."""
        for line in self._lines.values():
            if line.state not in ("done", "failed"):
                line.state, line.text = "stopped", "[dim]stopped[/dim]"
        self.close()
        self.console.print("[dim]stopped[/dim]")

    def close(self) -> None:
        """End the live part and the line the answer stands on."""
        self._end()
        self._newline()

    def _begin(self, event: LayerStarted) -> None:
        self._end()
        self._layer = f"Layer {int(event.path.partition('#')[0]) + 1}"
        self._show()

    def _show(self) -> None:
        if self._live is None and not self._answering:
            self._live = Live(
                get_renderable=self._render, console=self.console, refresh_per_second=REFRESH, transient=False
            )
            self._live.start()

    def _render(self) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        for line in self._lines.values():
            grid.add_row(*line.cells())
        head = Text(self._layer, style="dim")
        return Group(head, grid) if self._layer else grid

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._lines = {}

    def _delta(self, event: Delta) -> None:
        if not event.answer or event.kind != "content" or event.index:
            line = self._lines.get(event.path)
            if line is not None:
                line.state = "writing"
                line.written += estimate(event.text)
            return
        if not self._answering:
            line = self._lines.get(event.path)
            if line is not None:
                line.state, line.text = (
                    "answering",
                    f"[dim]answers, {seconds(event.at)} after the start[/dim]",
                )
            self._end()
            self._answering = True
            self.console.print()
        self.out.write(visible(event.text))
        self.out.flush()
        self._ended_with = event.text[-1:] or self._ended_with

    def _finish(self, event: CallFinished) -> None:
        line = self._lines.get(event.path)
        if line is not None:
            response = event.response
            line.state = "done"
            parts = [seconds(response.seconds), tokens(response.usage.completion_tokens)]
            if response.cost:
                parts.append(dollars(response.cost))
            if response.attempts > 1:
                parts.append(f"{response.attempts} attempts")
            line.text = f"[dim]{' · '.join(parts)}[/dim]"

    def _newline(self) -> None:
        if self._ended_with != "\n":
            self.out.write("\n")
            self.out.flush()
            self._ended_with = "\n"


def closing(answer: Answer) -> str:
    """Return the line that tells what a run took, and what it went without."""
    calls = len(answer.calls)
    parts = [
        seconds(answer.duration),
        tokens(answer.usage.total_tokens),
        dollars(answer.cost),
        f"{calls} call{'' if calls == 1 else 's'}",
    ]
    if answer.failures:
        ends = {"cancelled": "dropped"}
        lost = ", ".join(f"{call.model} ({ends.get(call.status, call.status)})" for call in answer.failures)
        parts.append(f"without {lost}")
    elif answer.degraded:
        parts.append("degraded")
    return " · ".join(parts)


def visible(text: str) -> str:
    """Return a text without what a terminal would obey instead of showing it."""
    return text.translate(_CONTROL)


def _short(error: Exception) -> str:
    return _cut(getattr(error, "message", None) or str(error))


def _cut(text: str) -> str:
    text = visible(text)
    return text if len(text) <= 100 else text[:99] + "…"
