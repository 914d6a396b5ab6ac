"""What the calls of a scope are paid from: its run's budgets, and those of the layers it stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from moakit.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    CallError,
    ConnectionFailed,
    MoaError,
    ModelTimeout,
    UserError,
)
from moakit.models.base import Listener, Model, Reply
from moakit.models.estimates import Estimate, estimate_call
from moakit.policies.budget import Budget, Reservation
from moakit.types import Message


class LastCall(NamedTuple):
    """The call that ends a layer: what it may take, then what those that stand in for it may.

    `needed` says that there is no answer without it.
    """

    estimates: Sequence[Estimate]
    needed: bool


class Fund:
    """One budget as one layer spends it, with what is held back for the layer's last call."""

    __slots__ = ("budget", "held")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.held: Reservation | None = None

    def free(self) -> None:
        """Give back what is held."""
        if self.held is not None:
            self.held.release()
            self.held = None


class Purse:
    """The funds that hold for a scope, outermost first.

    The scope stands at the tail of the layers whose funds come at `tail_from` or later: its call is the one
    that was held back for.
    """

    __slots__ = ("_funds", "_tail_from")

    def __init__(self, funds: Sequence[Fund], tail_from: int = 0) -> None:
        self._funds = tuple(funds)
        self._tail_from = tail_from

    def inside(self, *, tail: bool) -> Purse:
        """Return the purse of a layer inside."""
        if tail or self._tail_from == len(self._funds):
            return self
        return Purse(self._funds, len(self._funds))

    def having(self, funds: Sequence[Fund]) -> Purse:
        """Return the purse with the funds of this scope's own layer."""
        return Purse((*self._funds, *funds), self._tail_from)

    def reserve(self, estimate: Estimate) -> list[Reservation]:
        """Set the estimate aside in every budget, or in none; raises `BudgetExceeded`."""
        for fund in self._funds[self._tail_from :]:
            fund.free()
        return reserved([fund.budget for fund in self._funds], estimate)


def hold(funds: Sequence[Fund], last: LastCall) -> None:
    """Hold back what a layer's last call may take, so that the calls before it leave it that much.

    Raises `BudgetExceeded` when neither it nor any that stands in for it can be paid.
    """
    budgets = [fund.budget for fund in funds]
    refusal: BudgetExceeded | None = None
    for estimate in last.estimates:
        try:
            made = reserved(budgets, estimate)
        except BudgetExceeded as error:
            refusal = refusal or error
            continue
        for fund, reservation in zip(funds, made, strict=True):
            fund.held = reservation
        return
    if refusal is not None:
        raise refusal


def reserved(budgets: Sequence[Budget], estimate: Estimate) -> list[Reservation]:
    """Set the estimate aside in every budget, or in none; raises `BudgetExceeded`."""
    in_dollars = any(budget.limits.dollars is not None for budget in budgets)
    dollars = estimate.dollars() if in_dollars else None
    made: list[Reservation] = []
    try:
        for budget in budgets:
            made.append(budget.reserve(estimate.tokens, dollars, what=estimate.model.name))  # noqa: PERF401 - kept for those below
    except MoaError:
        for reservation in made:
            reservation.release()
        raise
    return made


class Paid:
    """A model each of whose attempts is paid from a purse: reserved before it, settled after it."""

    __slots__ = ("_model", "_purse", "endpoint", "name")

    def __init__(self, model: Model, purse: Purse) -> None:
        self._model = model
        self._purse = purse
        self.name = model.name
        self.endpoint = model.endpoint

    async def respond(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], listener: Listener | None = None
    ) -> Reply:
        """Make one attempt; raises `BudgetExceeded` before it is made."""
        estimate = estimate_call(self._model, messages, parameters)
        reservations = self._purse.reserve(estimate)
        try:
            reply = await self._model.respond(messages, parameters, listener)
        except BaseException as error:
            for reservation in reservations:
                if _is_free(error):
                    reservation.release()
                else:
                    # Cancelled, cut off or silent: the provider may bill all of it, and tells nobody.
                    reservation.settle()
            raise
        for reservation in reservations:
            reservation.settle(reply.usage.total_tokens or None, reply.cost)
        return reply


def _is_free(error: BaseException) -> bool:
    """Say whether an attempt that ended so was refused, or never reached the provider."""
    if isinstance(error, ConnectionFailed):
        return not error.reused
    if isinstance(error, ModelTimeout):
        return error.timer == "connect"
    if isinstance(error, AuthenticationFailed | UserError):
        return True
    return isinstance(error, CallError) and error.status is not None
