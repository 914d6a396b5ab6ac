"""The stream Open WebUI gets: status lines, proposers' answers, sources, totals, and the answer itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from moakit.errors import CallError
from moakit.events import CallFailed, CallFinished, Delta, Event, LayerFinished, LayerStarted, RunStarted
from moakit.layers import Agent, Layer, Proposers
from moakit.observe.figures import dollars, seconds, tokens
from moakit.server.outlet import Outlet
from moakit.server.wire import usage_of

if TYPE_CHECKING:
    from starlette.types import Send

    from moakit.server.replies import Failure
    from moakit.server.requests import Work
    from moakit.types import Answer, Response

Shown = Literal["reasoning", "details", "sources", "none"]


class Dialect(Outlet):
    """An outlet that also shows the proposers at work.

    `show` says how their answers are shown: as "reasoning" above the answer, as "details" inside it, as
    "sources" alone, or not at all; the first two have sources too.
    """

    def __init__(self, work: Work, send: Send, *, report: str, show: Shown) -> None:
        super().__init__(work, send, report=report)
        self._show = show
        self._layers: tuple[Layer, ...] = _steps(work.ensemble)
        self._asked = 0
        self._done = 0

    def read(self, event: Event) -> None:
        """Take an event of the run."""
        match event:
            case Delta():
                super().read(event)
                return
            case RunStarted():
                self._open(0)
                if not self._layers:
                    self._status("asking")
            case LayerStarted() if "." not in event.path:
                self._begin(int(event.path.partition("#")[0]))
            case CallFinished() if event.response.role == "proposer":
                self._proposal(event.response)
            case CallFailed() if event.final:
                self._done += 1
                self._status(f"{self._model_at(event.path, event.error)} failed: {_short(event.error)}")
            case LayerFinished() if "." not in event.path:
                self._references(int(event.path.partition("#")[0]), event.responses)
        super().read(event)

    async def finish(self, answer: Answer) -> None:
        """Send the end of a good answer, with its totals."""
        parts = [
            seconds(answer.duration),
            tokens(answer.usage.total_tokens),
            dollars(answer.cost),
            f"{len(answer.calls)} call{'' if len(answer.calls) == 1 else 's'}",
        ]
        if answer.failures:
            parts.append("without " + ", ".join(call.model for call in answer.failures))
        self._status(" · ".join(parts), done=True)
        await super().finish(answer)

    async def fail(self, failure: Failure) -> None:
        """Send an error inside the stream, after a last status."""
        self._status("failed", done=True)
        await super().fail(failure)

    def _closing(self, answer: Answer) -> bytes:
        usage = self._chunks.usage(usage_of(answer, report=self._report))
        return self._chunks.closing(answer) + usage

    def _begin(self, place: int) -> None:
        if place >= len(self._layers):
            return
        layer = self._layers[place]
        head = f"Layer {place + 1}/{len(self._layers)}"
        self._done = 0
        if isinstance(layer, Proposers):
            self._asked = layer.plan().calls
            self._status(f"{head} · asking {self._asked} proposer{'' if self._asked == 1 else 's'}")
        else:
            tail = tail_of(layer)
            what = f"aggregating with {tail.model}" if tail is not None else type(layer).__name__.lower()
            self._status(f"{head} · {what}")

    def _proposal(self, response: Response) -> None:
        self._done += 1
        parts = [response.model, seconds(response.seconds), tokens(response.usage.completion_tokens)]
        if response.cost:
            parts.append(dollars(response.cost))
        head = " · ".join(parts)
        if self._show == "reasoning":
            self._say("reasoning_content", f"#### {head}\n\n{response.text.strip()}\n\n")
        elif self._show == "details":
            text = response.text.strip()
            self._say("content", f'<details type="moa"><summary>{head}</summary>\n\n{text}\n\n</details>\n\n')
        self._status(f"{response.model} answered ({self._done}/{self._asked or self._done})")

    def _references(self, place: int, responses: tuple[Response, ...]) -> None:
        """Send what the final layer reads as sources, in the order it reads them."""
        if self._show == "none" or place != len(self._layers) - 2:
            return
        for number, response in enumerate(responses, 1):
            name = f"{number} · {response.model}"
            self._event(
                "source",
                {
                    "source": {"name": name, "id": f"{response.path}"},
                    "document": [response.text],
                    "metadata": [{"source": f"{response.path}", "name": name}],
                },
            )

    def _status(self, description: str, *, done: bool = False) -> None:
        self._event("status", {"description": description, "done": done})

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        self._pending.append(self._chunks.extra({"event": {"type": kind, "data": data}}))

    def _say(self, field: str, text: str) -> None:
        self._pending.append(self._chunks.choice(0, {field: text}))

    def _model_at(self, path: str, error: Exception) -> str:
        model = getattr(error, "model", "")
        return model or path


def tail_of(layer: Layer) -> Agent | None:
    """Return the agent at the tail of a layer, None when there is none."""
    while not isinstance(layer, Agent):
        children = layer.children()
        if not children:
            return None
        layer = children[-1]
    return layer


def _steps(ensemble: Layer) -> tuple[Layer, ...]:
    return ensemble.children() if getattr(ensemble, "in_order", False) else ()


def _short(error: Exception) -> str:
    text = error.message if isinstance(error, CallError) else str(error)
    return text if len(text) <= 120 else text[:119] + "…"
