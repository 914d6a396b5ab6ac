"""A budget: a limit in tokens or dollars of which every call reserves its share before it is made."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from moakit.errors import BudgetExceeded, ConfigError, nearest

Period = Literal["hour", "day", "month", "total"]
PICO = 10**12
"""Dollars are counted in whole picodollars: what is given back is to the last digit what was taken."""
_SECONDS = {"hour": 3600, "day": 86400}
_KEYS = ("tokens", "dollars")


class Limits(NamedTuple):
    """The most that may be spent; None is no limit."""

    tokens: int | None = None
    dollars: float | None = None


class Amount(NamedTuple):
    """What is spent or reserved."""

    tokens: int
    dollars: float


class Budget:
    """A limit on what is spent, with what is reserved: a reservation is made whole or not at all.

    `name` is what errors call it. `per` says when it starts afresh: with each "hour", "day" or "month" of the
    UTC calendar, or never ("total"). `shared` says that several runs spend of it. A call counts in the period
    in which it ends; what is reserved when a period ends stays reserved. It belongs to one event loop, where
    nothing comes between a question and its answer, so there is no lock. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        name: str = "the budget",
        per: Period = "total",
        shared: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.limits = limits
        self.per = per
        self.shared = shared
        self._clock = clock
        self._most = None if limits.dollars is None else _pico(limits.dollars)
        self._period = self._now()
        self._tokens = self._dollars = 0
        self._held_tokens = self._held_dollars = 0

    @property
    def spent(self) -> Amount:
        """What is spent in this period; dollars only where they are limited."""
        self._turn()
        return Amount(self._tokens, self._dollars / PICO)

    @property
    def reserved(self) -> Amount:
        """What is reserved by calls that have not ended."""
        return Amount(self._held_tokens, self._held_dollars / PICO)

    def reserve(self, tokens: int, dollars: float | None = None, *, what: str = "") -> Reservation:
        """Set an amount aside, for `what`; raises `BudgetExceeded` when that much is not left.

        Raises `ConfigError` when the budget is in dollars and what is asked has no known price.
        """
        self._turn()
        most = self.limits.tokens
        if most is not None and self._tokens + self._held_tokens + tokens > most:
            amounts = (tokens, self._tokens, self._held_tokens, most)
            raise self._exceeded([f"{amount:,}" for amount in amounts], "tokens", what, alone=tokens > most)
        pico = 0
        if self._most is not None:
            if dollars is None:
                raise unpriced(f"{self.name} is", what or "what is asked")
            pico = _pico(dollars)
            if self._dollars + self._held_dollars + pico > self._most:
                parts = (pico, self._dollars, self._held_dollars, self._most)
                raise self._exceeded(
                    [_money(part) for part in parts], "dollars", what, alone=pico > self._most
                )
        self._held_tokens += tokens
        self._held_dollars += pico
        return Reservation(self, tokens, pico)

    def end(self, reservation: Reservation, tokens: int, pico: int) -> None:
        """Give a reservation back, and count what it was used for; `Reservation` calls this."""
        self._turn()
        self._held_tokens -= reservation.tokens
        self._held_dollars -= reservation.pico
        self._tokens += tokens
        self._dollars += pico

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.limits!r}, name={self.name!r}, per={self.per!r})"

    def _turn(self) -> None:
        """Start afresh when a new period has begun; a clock that is set back starts nothing."""
        if self.per != "total" and (now := self._now()) > self._period:
            self._period = now
            self._tokens = self._dollars = 0

    def _now(self) -> int:
        """Return the number of the current period."""
        if self.per == "total":
            return 0
        if self.per == "month":
            today = datetime.fromtimestamp(self._clock(), UTC)
            return today.year * 12 + today.month - 1
        return int(self._clock() // _SECONDS[self.per])

    def _next(self) -> datetime:
        """Return when the next period begins."""
        if self.per == "month":
            year, month = divmod(self._period + 1, 12)
            return datetime(year, month + 1, 1, tzinfo=UTC)
        return datetime.fromtimestamp((self._period + 1) * _SECONDS[self.per], UTC)

    def _exceeded(self, amounts: list[str], unit: str, what: str, *, alone: bool) -> BudgetExceeded:
        asked, spent, held, most = amounts
        every = "" if self.per == "total" else f" a {self.per}"
        if alone:
            hint = "this alone may take more than all of it: lower max_tokens, or raise the budget"
        elif self.per != "total":
            hint = f"it starts afresh at {self._next():%Y-%m-%d %H:%M} UTC"
        else:
            hint = "raise the budget, or lower max_tokens"
        return BudgetExceeded(
            f"{self.name} of {most} {unit}{every} is reached: {asked} asked{what and ' for '}{what}, "
            f"{spent} spent, {held} reserved",
            shared=self.shared,
            hint=hint,
        )


class Reservation:
    """A share of a budget that is set aside; it ends once, by `settle` or by `release`."""

    __slots__ = ("_budget", "_open", "pico", "tokens")

    def __init__(self, budget: Budget, tokens: int, pico: int) -> None:
        self._budget = budget
        self._open = True
        self.tokens = tokens
        self.pico = pico

    def settle(self, tokens: int | None = None, dollars: float | None = None) -> None:
        """Count what was really used, also when it is more; where that is not known, what was reserved."""
        self._end(self.tokens if tokens is None else tokens, self.pico if dollars is None else _pico(dollars))

    def release(self) -> None:
        """Give all of it back."""
        self._end(0, 0)

    def _end(self, tokens: int, pico: int) -> None:
        if self._open:
            self._open = False
            self._budget.end(self, tokens, pico)


def limits_from(owner: str, value: object) -> Limits:
    """Return the limits of a setting: a number is dollars, a table has tokens, dollars or both.

    Raises `ConfigError` that names the owner.
    """
    if isinstance(value, Mapping):
        for key in value:
            if key not in _KEYS:
                near = nearest(str(key), _KEYS)
                raise ConfigError(
                    f"{owner}: unknown key {key!r} in budget",
                    hint=f"did you mean {near!r}?" if near else f"known: {', '.join(_KEYS)}",
                )
        tokens, dollars = value.get("tokens"), value.get("dollars")
    else:
        tokens, dollars = None, value
    if tokens is None and dollars is None:
        raise ConfigError(f"{owner}: budget has neither tokens nor dollars")
    if tokens is not None and not (isinstance(tokens, int) and _is_number(tokens) and tokens >= 1):
        raise ConfigError(f"{owner}: budget.tokens = {tokens!r} is not a whole number, 1 or more")
    if dollars is None:
        return Limits(tokens)
    if not isinstance(dollars, int | float) or not _is_number(dollars) or dollars <= 0:
        name = "budget.dollars" if isinstance(value, Mapping) else "budget"
        raise ConfigError(f"{owner}: {name} = {dollars!r} is not dollars, more than 0")
    return Limits(tokens, dollars)


def unpriced(budget: str, model: str) -> ConfigError:
    """Return the error of a dollar budget over a model whose price nobody knows."""
    return ConfigError(
        f"{budget} in dollars, and the price of {model} is not known",
        hint="give its provider a `price`, or limit `tokens`; the extra `prices` has public price lists",
    )


def _is_number(value: float) -> bool:
    return not isinstance(value, bool) and math.isfinite(value)


def _pico(dollars: float) -> int:
    return round(dollars * PICO)


def _money(pico: int) -> str:
    return f"{pico / PICO:.8f}".rstrip("0").rstrip(".")
