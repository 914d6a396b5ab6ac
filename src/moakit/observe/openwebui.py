"""What Open WebUI is shown of a run beside its answer: status lines, proposers' answers, sources, totals."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from moakit.errors import CallError, ConfigError, RateLimited
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
    RunStarted,
)
from moakit.layers import Agent, Aggregator, Cascade, Layer, Proposers, Router
from moakit.layers.selection import Selection
from moakit.observe.figures import dollars, seconds, tokens

if TYPE_CHECKING:
    from moakit.types import Answer, Response

Shown = Literal["reasoning", "details", "sources", "none"]
LONGEST = 120
"""Characters of an error that a status line shows."""
_DETAILS = re.compile(r"<(?=/?details)", re.IGNORECASE)
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SAMPLE = re.compile(r"#\d+")


class Note(NamedTuple):
    """Something to show: `kind` is "status" or "source" with its data, or a delta's field with its text."""

    kind: str
    content: Any

    @property
    def event(self) -> dict[str, Any] | None:
        """What a chunk carries of it beside empty choices, None when it is a delta."""
        if self.kind not in ("status", "source"):
            return None
        return {"event": {"type": self.kind, "data": self.content}}


class _Team:
    """Proposers that are asked at once: how many, and how many have answered."""

    def __init__(self, asked: int) -> None:
        self.asked = asked
        self.answered = 0


class Commentary:
    """Turns a run's events into what is shown of it.

    `show` says how the proposers' answers are shown: as "reasoning" above the answer, as "details" inside it,
    as "sources" alone, or not at all ("none"); the first two have sources too. `references` returns what the
    final layer reads; without it, that is read from the events.
    """

    def __init__(
        self, ensemble: Layer, show: Shown, references: Callable[[], Sequence[Response]] | None = None
    ) -> None:
        self._ensemble = ensemble
        self._show = show
        self._layers = ensemble.children() if getattr(ensemble, "in_order", False) else ()
        self._tail_at = _address_of_tail(ensemble)
        self._teams: dict[str, _Team] = {}
        self._latest: tuple[Response, ...] = ()
        self._references = references or (lambda: self._latest)
        self._cited = False

    def on(self, event: Event) -> Iterator[Note]:
        """Yield what an event shows."""
        match event:
            case Delta():
                if event.answer:
                    yield from self._cite()
            case RunStarted():
                if not self._layers:
                    chosen = isinstance(self._ensemble, Router | Cascade)
                    tail = None if chosen else tail_of(self._ensemble)
                    yield _status(f"asking {event.ensemble if tail is None else tail.model}")
            case LayerStarted():
                yield from self._begin(event.path)
            case LayerFinished():
                team = self._teams.get(event.path.rpartition(".")[0])
                for response in event.responses if team is not None else ():
                    yield from self._member(team, response)
                if _SAMPLE.sub("", event.path) == self._before_tail():
                    self._latest = event.responses
            case _:
                yield from self._on_call(event)

    def _on_call(self, event: Event) -> Iterator[Note]:
        match event:
            case CallStarted():
                yield from self._begin_alone(event.path, event.model)
            case CallFinished():
                yield from self._called(event.path, event.response)
            case CallRetried():
                again = f"{_short(event.error)}; again in {seconds(event.wait)}"
                yield _status(f"{_model(event.error) or event.path}: {again}")
            case Judged() if event.error:
                yield _status(f"the judge's verdict could not be used: {_cut(event.error)}")
            case CallFailed() if event.final:
                what, name = _short(event.error), _model(event.error) or event.path
                yield _status(f"{name}{' ' if what.startswith('dropped') else ' failed: '}{what}")

    def totals(self, answer: Answer) -> Note:
        """Return the last status of a good run: what it took, and what it went without."""
        parts = [
            seconds(answer.duration),
            tokens(answer.usage.total_tokens),
            dollars(answer.cost),
            f"{len(answer.calls)} call{'' if len(answer.calls) == 1 else 's'}",
        ]
        if answer.failures:
            parts.append("without " + ", ".join(dict.fromkeys(call.model for call in answer.failures)))
        return _status(" · ".join(parts), done=True)

    @staticmethod
    def failed() -> Note:
        """Return the last status of a run that failed; Open WebUI shows the reason in a box below it."""
        return _status("failed", done=True)

    def _begin(self, path: str) -> Iterator[Note]:
        """Tell of a layer that begins: a team of proposers anywhere, others where they are a step."""
        layer = self._layer_at(path)
        if isinstance(layer, Proposers):
            if not any(path.startswith(f"{known}.") for known in self._teams):
                width = layer.shape(None)
                yield self._gather(path, layer.plan().calls if width is None else width)
            return
        if isinstance(layer, Aggregator) and _SAMPLE.sub("", path) == self._reader():
            yield from self._cite()
        if "." in path or layer is None or getattr(layer, "in_order", False):
            return
        tail = tail_of(layer) if isinstance(layer, Aggregator) else None
        name = _WORD.sub(" ", type(layer).__name__).lower()
        what = name if tail is None else f"aggregating with {tail.model}"
        yield _status(self._where(path) + what)

    def _begin_alone(self, path: str, model: str) -> Iterator[Note]:
        """Tell of an agent that is a step by itself: the last one reads, the others propose."""
        place = _SAMPLE.sub("", path)
        if place == self._tail_at:
            yield from self._cite()
        if "." in path or not self._layers or place in self._teams:
            return
        layer = self._layer_at(place)
        if place == self._tail_at:
            what = "aggregating with" if self._references() else "asking"
            yield _status(f"{self._where(path)}{what} {model}")
        elif isinstance(layer, Agent):
            yield self._gather(place, layer.samples)

    def _called(self, path: str, response: Response) -> Iterator[Note]:
        place = _SAMPLE.sub("", path)
        alone = self._teams.get(place)
        team = self._teams.get(path.rpartition(".")[0]) or alone
        if team is not None:
            if alone is not None and place == self._before_tail():
                read = (*self._latest, response)
                self._latest = tuple(sorted(read, key=lambda one: int(one.path.partition("#")[2] or 0)))
            yield from self._member(team, response)
        elif response.role == "proposer":
            yield _status(f"{response.model} answered")

    def _member(self, team: _Team | None, response: Response) -> Iterator[Note]:
        """Show what a member of a team has answered."""
        if team is None:
            return
        team.answered += 1
        parts = [response.model, seconds(response.seconds), tokens(response.usage.completion_tokens)]
        if response.cost:
            parts.append(dollars(response.cost))
        head, text = " · ".join(parts), response.text.strip()
        if self._show == "reasoning":
            yield Note("reasoning_content", f"#### {head}\n\n{text}\n\n")
        elif self._show == "details":
            # An end of its own would end ours too early, here and when it is taken out again.
            text = _DETAILS.sub("&lt;", text)
            # Open WebUI folds only what has these two line ends.
            block = f'<details type="moa">\n<summary>{head}</summary>\n\n{text}\n\n</details>\n\n'
            yield Note("content", block)
        yield _status(f"{response.model} answered ({team.answered}/{team.asked})")

    def _cite(self) -> Iterator[Note]:
        """Show what the final layer reads as sources, in the order it reads them."""
        if self._cited:
            return
        references = self._references()
        if not references:
            # A call before the last one: it is not known yet what the answer is written from.
            return
        self._cited = True
        named: Counter[str] = Counter()
        for number, response in enumerate(references if self._show != "none" else (), 1):
            # Open WebUI numbers them itself; older ones show only the first of a name.
            named[response.model] += 1
            again = named[response.model]
            name = response.model if again == 1 else f"{response.model} ({again})"
            # Each has an address of its own, by which Open WebUI tells sources apart.
            address = response.path or str(number)
            yield Note(
                "source",
                {
                    "source": {"name": name, "id": address},
                    "document": [response.text],
                    "metadata": [{"source": address, "name": name}],
                },
            )

    def _gather(self, path: str, asked: int) -> Note:
        self._teams[path] = _Team(asked)
        return _status(f"{self._where(path)}asking {asked} proposer{'' if asked == 1 else 's'}")

    def _where(self, path: str) -> str:
        place = int(path.partition(".")[0].partition("#")[0])
        return f"Layer {place + 1}/{len(self._layers)} · " if place < len(self._layers) else ""

    def _layer_at(self, path: str) -> Layer | None:
        try:
            return self._ensemble[path]
        except (ConfigError, LookupError):
            # A layer of the user's own may run what is not among its children.
            return None

    def _reader(self) -> str:
        """Return the address of the layer that reads the references: the tail, or the one around it."""
        around = self._tail_at.rpartition(".")[0]
        return around if around and isinstance(self._layer_at(around), Aggregator) else self._tail_at

    def _before_tail(self) -> str:
        """Return the address of the layer whose responses the final layer reads."""
        above, _, place = self._reader().rpartition(".")
        while above and place == "0":
            # The first layer inside another reads what that one was given.
            above, _, place = above.rpartition(".")
        before = int(place or 0) - 1
        return f"{above}.{before}" if above else str(before)


def tail_of(layer: Layer) -> Agent | None:
    """Return the agent at the tail of a layer, None when there is none."""
    while not isinstance(layer, Agent):
        children = _inside(layer)
        if not children:
            return None
        layer = children[-1]
    return layer


def _address_of_tail(layer: Layer) -> str:
    steps: list[str] = []
    while not isinstance(layer, Agent) and (children := _inside(layer)):
        # What is planned last need not be the last child: a router's routes come before what chooses.
        places = [place for place, child in enumerate(layer.children()) if child is children[-1]]
        steps.append(str(places[-1]))
        layer = children[-1]
    return ".".join(steps)


def _inside(layer: Layer) -> tuple[Layer, ...]:
    """Return the layers of which the last may write the answer; a judge never does."""
    return () if isinstance(layer, Selection) else layer.planned()


def _status(description: str, *, done: bool = False) -> Note:
    return Note("status", {"description": description, "done": done})


def _model(error: Exception) -> str:
    return str(getattr(error, "model", "") or "")


def _short(error: Exception) -> str:
    if isinstance(error, RateLimited):
        return "rate limited"
    return _cut(error.message if isinstance(error, CallError) else str(error))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
