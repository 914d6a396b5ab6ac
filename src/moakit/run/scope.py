"""What a layer sees of the run it is part of: the one door to other layers."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, cast

import msgspec

from moakit.errors import BudgetExceeded, ConfigError, DeadlineExceeded, ShapeError
from moakit.events import Event, LayerFinished, LayerStarted
from moakit.policies.budget import Budget, limits_from
from moakit.policies.deadline import Deadline
from moakit.policies.settings import NO_SETTINGS, Settings
from moakit.prompts import Layout
from moakit.types import Call, Prompt, Response

if TYPE_CHECKING:
    from moakit.run.journey import Journey
    from moakit.run.purse import LastCall, Purse

References: TypeAlias = tuple[Response, ...]
NO_REFERENCES: References = ()
NO_PARAMETERS: Mapping[str, Any] = {}


class Runnable(Protocol):
    """What a run needs of a layer."""

    settings: Settings
    leaf: ClassVar[bool]
    keeps_deadline: ClassVar[bool]

    async def forward(self, prompt: Prompt, references: References, run: Run) -> Sequence[Response]:
        """Do the layer's work."""

    def shape(self, references: int | None) -> int | None:
        """Return how many responses come out when this many references go in; raises `ShapeError`."""

    def children(self) -> Sequence[Runnable]:
        """Return the layers inside this one, in the order of their addresses."""

    def last_call(self, prompt: Prompt, references: References, run: Run) -> LastCall | None:
        """Return what the call whose response is the layer's own may take, None when that is not known."""


class Run:
    """One layer's view of a run: `await run(layer, prompt, references)` runs another layer inside it.

    `path` is this layer's address; `tail` says that its response is the answer; `role` what its calls are
    called; `settings` what holds here; `parameters` the request's sampling, which is for the tail, elsewhere
    what is offered of it;
    `remaining` the seconds until the deadline; `purse` what calls here are paid from, None without a budget;
    `shift` what agents here add to their seeds, so that samples differ.
    """

    __slots__ = (
        "_counts", "deadline_at", "dropped", "journey", "layer", "parameters", "path", "purse", "role",
        "sample", "settings", "shift", "tail",
    )  # fmt: skip

    def __init__(
        self,
        journey: Journey,
        layer: Runnable,
        *,
        path: str,
        settings: Settings,
        deadline_at: float,
        tail: bool,
        role: str,
        sample: int | None = None,
        shift: int = 0,
        purse: Purse | None = None,
        offered: Mapping[str, Any] = NO_PARAMETERS,
    ) -> None:
        self.journey = journey
        self.layer = layer
        self.path = path
        self.settings = settings
        self.deadline_at = deadline_at
        self.tail = tail
        self.role = role
        self.sample = sample
        self.shift = shift
        self.purse = purse
        self.parameters: Mapping[str, Any] = journey.parameters if tail else offered
        self.dropped = 0
        self._counts: dict[str, int] | None = None

    @property
    def run_id(self) -> str:
        """The run's identifier."""
        return self.journey.run_id

    @property
    def remaining(self) -> float:
        """Seconds left until the deadline that holds here."""
        return self.deadline_at - self.journey.loop.time()

    def __call__(
        self,
        layer: Runnable,
        prompt: Prompt,
        references: Sequence[Response] = NO_REFERENCES,
        *,
        tail: bool = False,
        role: str | None = None,
        at: int | None = None,
        sample: int | None = None,
        samples: int = 1,
        deadline: float | None = None,
        layout: Layout | None = None,
        offered: Mapping[str, Any] = NO_PARAMETERS,
    ) -> Coroutine[Any, Any, References]:
        """Run a layer inside this one; await it for its responses.

        Pass `tail=True` when its response will be this layer's own, unchanged, so that it may stream as the
        answer. `role` names its calls in events ("proposer", "aggregator", "judge"). `at` is its place among
        the children, found by itself unless the same layer stands there twice; `sample` numbers the
        `samples` draws from it; `deadline` is in seconds, when the layer sets none itself; `layout` says how
        it is shown the references, whatever `prompt` is set to; `offered` are the request's parameters that
        its own agents are sent as proposers.
        """
        own = getattr(layer, "settings", None)
        if own is None:
            raise ConfigError(
                f"{layer!r} is not a layer", hint="make an Agent of a model's name once, in __init__"
            )
        path = self._address(layer, at)
        if sample is None:
            # A layer that runs the same child again draws another sample from it.
            counts = self._counts
            if counts is None:
                counts = self._counts = {}
            again = counts.get(path, 0)
            counts[path] = again + 1
            shift = self.shift + again
            path = f"{path}#{again}" if again else path
        else:
            shift = self.shift * samples + sample
            path = f"{path}#{sample}"
        scope = Run(
            self.journey,
            layer,
            path=path,
            settings=self.settings if own is NO_SETTINGS else own.over(self.settings),
            deadline_at=self.deadline_at,
            tail=tail and self.tail,
            role=role or self.role,
            sample=sample,
            shift=shift,
            purse=None if self.purse is None else self.purse.inside(tail=tail),
            offered=offered,
        )
        if self.parameters and not self.tail and role == "proposer" and layer.leaf:
            scope.parameters = self.parameters
        if layout is not None:
            scope.settings = msgspec.structs.replace(scope.settings, prompt=layout)
        references = tuple(references)
        if scope.tail:
            self.journey.references = references
        seconds = own.deadline or deadline
        if layer.leaf and seconds is None and own.budget is None:
            # Nothing to add: the leaf tells of itself, and each coroutine around a call is paid for.
            return cast("Coroutine[Any, Any, References]", layer.forward(prompt, references, scope))
        return scope.perform(prompt, references, seconds)

    async def perform(self, prompt: Prompt, references: References, seconds: float | None) -> References:
        """Run this scope's own layer, within so many seconds if any are given, and check what it returns."""
        layer = self.layer
        watched = self.journey.watched and not layer.leaf
        if watched:
            self.tell(LayerStarted, name=type(layer).__name__)
        if layer.settings.budget is not None:
            budget = Budget(
                limits_from(type(layer).__name__, layer.settings.budget),
                name=f"the budget of {type(layer).__name__} at {self.path}",
            )
            responses = await self.paying([budget], seconds, prompt, references)
        elif seconds is None:
            responses = await layer.forward(prompt, references, self)
        else:
            responses = await self.within(seconds, prompt, references)
        given = checked(layer, self.path, responses)
        if watched:
            self.tell(LayerFinished, responses=given, dropped=self.dropped)
        return given

    def draw(self, sample: int, samples: int) -> Run:
        """Return the scope of one of the samples of this scope's own layer."""
        return Run(
            self.journey,
            self.layer,
            path=f"{self.path}#{sample}",
            settings=self.settings,
            deadline_at=self.deadline_at,
            tail=False,
            role=self.role,
            sample=sample,
            shift=self.shift * samples + sample,
            purse=self.purse,
            offered=NO_PARAMETERS if self.tail else self.parameters,
        )

    async def paying(
        self, budgets: Sequence[Budget], seconds: float | None, prompt: Prompt, references: References
    ) -> Sequence[Response]:
        """Run this scope's own layer on these budgets too, in which its last call's share is held back."""
        from moakit.run.purse import Fund, Purse, hold

        funds = [Fund(budget) for budget in budgets]
        self.purse = (self.purse or Purse(())).having(funds)
        last = self.layer.last_call(prompt, references, self)
        try:
            if last is not None:
                try:
                    hold(funds, last)
                except BudgetExceeded as error:
                    # Nothing is spent for an answer that could not be paid.
                    if last.needed:
                        self._refuse(last.estimates[0].model.name, error)
                        raise
            if seconds is not None:
                return await self.within(seconds, prompt, references)
            return await self.layer.forward(prompt, references, self)
        finally:
            for fund in funds:
                fund.free()

    def _refuse(self, model: str, error: BudgetExceeded) -> None:
        """Enter the call that could not be paid in the ledger."""
        self.record(
            Call(
                path=self.path,
                model=model,
                role=self.role,
                status="failed",
                cost=0.0,
                attempts=0,
                error=type(error).__name__,
                message=str(error),
            )
        )

    async def within(self, seconds: float, prompt: Prompt, references: References) -> Sequence[Response]:
        """Run this scope's own layer under its own deadline."""
        self.deadline_at = min(self.deadline_at, self.journey.loop.time() + seconds)
        if self.layer.keeps_deadline:
            return await self.layer.forward(prompt, references, self)
        name = type(self.layer).__name__
        with Deadline(
            self.deadline_at,
            lambda: self._too_late(name, seconds),
        ):
            return await self.layer.forward(prompt, references, self)

    def _too_late(self, name: str, seconds: float) -> DeadlineExceeded:
        self.degrade()
        return DeadlineExceeded(
            f"{name} at {self.path or 'the root'} took longer than {seconds:g} s",
            path=self.path,
            hint="raise `deadline`, or set one on the layers inside: they go on with what they have",
        )

    def tell(self, kind: type[Event], **fields: Any) -> None:
        """Emit an event from this layer, if anybody is listening."""
        journey = self.journey
        if journey.watched:
            at = journey.loop.time() - journey.started
            journey.emit(kind(run_id=journey.run_id, path=self.path, at=at, **fields))

    def record(self, call: Call) -> None:
        """Enter a call in the run's ledger.

        One that failed, or whose references were cut, degrades the run. One that was cancelled does not:
        whoever dropped it knows whether that was by choice.
        """
        self.journey.calls.append(call)
        if call.status == "failed" or call.left_out:
            self.journey.degraded = True

    def degrade(self) -> None:
        """Note that something was dropped or replaced."""
        self.journey.degraded = True

    def _address(self, layer: Runnable, at: int | None) -> str:
        if at is None:
            children = self.layer.children()
            at = next((place for place, child in enumerate(children) if child is layer), len(children))
        return f"{self.path}.{at}" if self.path else str(at)


def needs_references(layer: Runnable) -> bool:
    """Say whether a layer cannot stand first."""
    try:
        layer.shape(0)
    except ShapeError:
        return True
    return False


def checked(layer: Runnable, path: str, responses: object) -> References:
    """Return what a layer's forward returned as a tuple; anything but responses is a `ShapeError`."""
    if isinstance(responses, Response):
        return (responses,)
    if isinstance(responses, list | tuple):
        for response in responses:
            if not isinstance(response, Response):
                what = f"a {type(responses).__name__} with a {type(response).__name__} in it"
                break
        else:
            return responses if type(responses) is tuple else tuple(responses)
    else:
        what = type(responses).__name__
    raise ShapeError(
        f"{type(layer).__name__} at {path or 'the root'} returned {what}",
        hint="forward returns a tuple of Response",
    )
