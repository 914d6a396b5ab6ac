"""The table that tells what a run of an ensemble will take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from moakit.models import prices
from moakit.types import Usage

if TYPE_CHECKING:
    from moakit.layers.base import Layer

LATENCY, SPEED = 0.5, 80.0
"""The assumed seconds before a model's first token, and its tokens per second."""


class Plan(NamedTuple):
    """What one run takes: calls in all, and steps that must follow each other."""

    calls: int
    steps: int


class Row(NamedTuple):
    """One layer's line; tokens and dollars are estimates, None is unknown."""

    path: str
    name: str
    takes: int | None
    gives: int | None
    calls: int
    steps: int
    tokens: int
    cost: float | None
    seconds: float


class Summary:
    """A table that prints itself; its totals are `calls`, `steps`, `tokens`, `cost` (dollars), `seconds`."""

    def __init__(self, title: str, rows: list[Row], plan: Plan, footnote: str) -> None:
        self.title = title
        self.rows = rows
        self.calls = plan.calls
        self.steps = plan.steps
        self.tokens = sum(row.tokens for row in rows)
        self.cost = None if any(row.cost is None for row in rows) else sum(row.cost or 0.0 for row in rows)
        self.seconds = sum(row.seconds for row in rows)
        self._footnote = footnote

    def table(self) -> list[list[str]]:
        """Return the cells: a header, a line a layer, the totals."""
        head = ["", "layer", "in", "out", "calls", "steps", "tokens", "dollars", "seconds"]
        lines = [
            [
                row.path, row.name, _count(row.takes), _count(row.gives), str(row.calls), str(row.steps),
                f"{row.tokens:,}", _dollars(row.cost), f"{row.seconds:.1f}",
            ]
            for row in self.rows
        ]  # fmt: skip
        total = [
            "", "total", "", "", str(self.calls), str(self.steps), f"{self.tokens:,}", _dollars(self.cost),
            f"{self.seconds:.1f}",
        ]  # fmt: skip
        return [head, *lines, total]

    def __str__(self) -> str:
        cells = self.table()
        widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        rule = "─" * max(map(len, lines))
        return "\n".join([self.title, lines[0], rule, *lines[1:-1], rule, lines[-1], self._footnote])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        head, *lines = self.table()
        rows = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines)]
        return "\n".join([f"**{self.title}**\n", *rows, f"\n{self._footnote}"])


def summarize(layer: Layer, *, prompt_tokens: int, answer_tokens: int) -> Summary:
    """Return the summary of one run of a layer."""
    steps = layer.children() if _is_sequence(layer) else ()
    rows: list[Row] = []
    references: int | None = 0
    for place, step in enumerate(steps or (layer,)):
        takes = references
        references = step.shape(takes)
        path = str(place) if steps else ""
        rows.append(_row(path, step, takes, references, prompt=prompt_tokens, answer=answer_tokens))
    footnote = (
        f"estimated for a prompt of {prompt_tokens} tokens and responses of {answer_tokens}; "
        f"{LATENCY:g} s and {SPEED:g} tokens/s a call"
    )
    return Summary(layer.title or type(layer).__name__, rows, layer.plan(), footnote)


def _row(path: str, step: Layer, takes: int | None, gives: int | None, *, prompt: int, answer: int) -> Row:
    plan = step.plan(takes)
    sent = prompt + (takes or 0) * answer
    cost: float | None = 0.0
    seen = 0
    longest = answer
    for inner in _planned(step):
        model = getattr(inner, "bound", None)
        if model is None:
            continue
        calls = inner.plan().calls
        seen += calls
        length = min(answer, getattr(inner, "max_tokens", None) or answer)
        longest = min(longest, length) if plan.calls == calls else longest
        one = _cost(model, Usage(sent, length, sent + length))
        cost = None if cost is None or one is None else cost + one * calls
    if not seen and plan.calls:
        # It asks agents that are not among its children.
        cost = None
    if seen and cost is not None and seen != plan.calls:
        cost = cost * plan.calls / seen
    seconds = plan.steps * (LATENCY + longest / SPEED)
    return Row(
        path,
        type(step).__name__,
        takes,
        gives,
        plan.calls,
        plan.steps,
        plan.calls * (sent + longest),
        cost,
        seconds,
    )


def _planned(layer: Layer) -> Iterator[Layer]:
    yield layer
    for child in layer.planned():
        yield from _planned(child)


def _cost(model: object, usage: Usage) -> float | None:
    endpoint = getattr(model, "endpoint", None)
    return 0.0 if endpoint is None else prices.cost(endpoint, getattr(model, "model", ""), usage)


def _is_sequence(layer: Layer) -> bool:
    return bool(getattr(layer, "in_order", False))


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


def _dollars(cost: float | None) -> str:
    return "?" if cost is None else f"{cost:.5f}".rstrip("0").rstrip(".") or "0"
