"""One run from start to end: its ledger, its readers, its answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moakit.errors import DeadlineExceeded, ShapeError
from moakit.events import Delta, Event, RunFailed, RunFinished, RunStarted
from moakit.policies.budget import Budget, limits_from
from moakit.policies.clock import clock_of
from moakit.policies.deadline import Deadline
from moakit.policies.routes import routes_of
from moakit.policies.settings import DEADLINE, DEFAULTS, Settings
from moakit.run.citing import Cited
from moakit.run.scope import NO_REFERENCES, References, Run, Runnable, checked, needs_references
from moakit.types import Answer, Call, Prompt, Response, Usage


class Journey:
    """The state of one run, shared by the scopes of its layers and by nothing else.

    `streaming` says that the tail's tokens are wanted, `proposers` that everyone's are. `watched` says that
    somebody reads the events at all; without a reader none are made. `budgets` are those that the run shares
    with others. `root` is the layer that is run; `authors` are the addresses at which a layer asked one that
    is not among its children. `given` are references that the run was given and that an ensemble reads
    instead of asking for its own. `cited` is what the latest response cites that was asked to.
    """

    __slots__ = (
        "_budgets", "_name", "_readers", "answered", "authors", "calls", "cited", "clock", "degraded",
        "gate", "given", "layers", "loop", "parameters", "proposers", "references", "root", "routes",
        "run_id", "started", "streaming", "told", "watched",
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str = "",
        parameters: Mapping[str, Any] | None = None,
        readers: Sequence[Callable[[Event], None]] = (),
        gate: Gate | None = None,
        streaming: bool = False,
        proposers: bool = False,
        budgets: Sequence[Budget] = (),
        given: References | None = None,
    ) -> None:
        self.run_id = f"run_{os.urandom(8).hex()}"
        self.loop = asyncio.get_running_loop()
        self.clock = clock_of(self.loop)
        self.routes = routes_of(self.loop)
        self.started = self.loop.time()
        self.parameters: Mapping[str, Any] = parameters or {}
        self.calls: list[Call] = []
        self.layers: list[References] = []
        self.given = given
        self.references: References = given or NO_REFERENCES
        self.cited: Cited | None = None
        self.degraded = False
        self.answered = False
        self.streaming = streaming
        self.proposers = proposers
        self.gate = gate
        self.told: tuple[Prompt, Prompt] | None = None
        self.root: Runnable | None = None
        self.authors: dict[str, Runnable] | None = None
        self.watched = bool(readers)
        self._readers = tuple(readers)
        self._name = name
        self._budgets = budgets

    def emit(self, event: Event) -> None:
        """Tell every reader."""
        for reader in self._readers:
            reader(event)

    async def execute(self, layer: Runnable, prompt: Prompt, *, settings: Settings | None = None) -> Answer:
        """Run a layer as the whole ensemble and return its answer; raises `MoaError`."""
        own = layer.settings if settings is None else settings.over(layer.settings)
        deadline = (settings and settings.deadline) or layer.settings.deadline or DEADLINE
        self.root = layer
        if self.given is not None and needs_references(layer):
            # It asks nobody for them, so it reads them as it always does.
            self.given = None
        scope = Run(
            self,
            layer,
            path="",
            settings=own.over(DEFAULTS),
            deadline_at=self.started + deadline,
            tail=True,
            role="agent",
        )
        if self.watched:
            scope.tell(RunStarted, ensemble=self._name or type(layer).__name__)
        try:
            with Deadline(scope.deadline_at, lambda: _too_late(deadline), clock=self.clock):
                budgets = self._budgets
                if layer.settings.budget is not None:
                    limits = limits_from(self._name, layer.settings.budget)
                    title = repr(self._name) if self._name else "this run"
                    budgets = [*budgets, Budget(limits, name=f"the budget of {title}")]
                responses = checked(
                    layer,
                    "",
                    await scope.paying(budgets, None, prompt, self.references)
                    if budgets
                    else await layer.forward(prompt, self.references, scope),
                )
            answer = self._answer(self._only(layer, responses))
        except Exception as error:
            scope.tell(RunFailed, error=error)
            raise
        if self.watched:
            scope.tell(RunFinished, answer=answer)
        return answer

    def _only(self, layer: Runnable, responses: References) -> Response:
        if len(responses) != 1:
            raise ShapeError(
                f"{self._name or type(layer).__name__} ended in {len(responses)} responses, not in one",
                hint="end it in an Aggregator or another layer that gives one response",
            )
        response = responses[0]
        if self.streaming and not self.answered:
            self._tell_whole(response)
        return response

    def _tell_whole(self, response: Response) -> None:
        """Send the text of a tail that did not stream."""
        at = self.loop.time() - self.started
        if response.text:
            self.emit(Delta(run_id=self.run_id, path=response.path, at=at, text=response.text, answer=True))
        if response.tool_calls:
            fragments = [{"index": index, **call} for index, call in enumerate(response.tool_calls)]
            data = {"tool_calls": fragments}
            self.emit(
                Delta(
                    run_id=self.run_id,
                    path=response.path,
                    at=at,
                    text="",
                    kind="tool",
                    answer=True,
                    data=data,
                )
            )

    def _answer(self, response: Response) -> Answer:
        usage = Usage()
        cost: float | None = 0.0
        failures: tuple[Call, ...] = ()
        for call in self.calls:
            usage += call.usage
            cost = None if cost is None or call.cost is None else cost + call.cost
            if call.status != "ok":
                failures += (call,)
        cited = self.cited
        if cited is not None and cited.response is not response:
            # What was made of it, or took its place, is no longer what was read.
            cited = None
        return Answer(
            text=response.text,
            response=response,
            references=self.references,
            layers=tuple(self.layers) if self.layers else ((response,),),
            usage=usage,
            cost=cost,
            calls=tuple(self.calls),
            failures=failures,
            degraded=self.degraded,
            duration=self.loop.time() - self.started,
            run_id=self.run_id,
            citations=cited.places if cited else (),
            false_citations=cited.false if cited else 0,
        )


def _too_late(deadline: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"the run took longer than its deadline of {deadline:g} s",
        hint="raise `deadline`, or set `timeout` so that slow calls fail sooner",
    )


class Gate:
    """Whether the reader of a stream keeps up; what a `Stream` gives a journey."""

    __slots__ = ()

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Wait until the reader has caught up."""
        raise NotImplementedError
