"""How alike references are, two by two."""

from __future__ import annotations

from collections.abc import Sequence

from moakit.errors import ConfigError, MoaError
from moakit.policies.agreement import Measure, compared
from moakit.types import Response


def likeness(references: Sequence[Response], measure: Measure | None = None) -> list[list[float]]:
    """Return how alike each reference is to each other, by the measure or by their words; 0 to itself."""
    return compared([reference.text for reference in references], measure)


def most_alike(references: Sequence[Response], keep: int = 1) -> list[int]:
    """Return the places of those most alike the others, in declaration order; of two, the longer one."""
    table = likeness(references)

    def agreement(at: int) -> tuple[float, int]:
        return (sum(table[at]) if len(references) > 2 else 0.0, len(references[at].text))

    return sorted(sorted(range(len(references)), key=agreement, reverse=True)[:keep])


def checked_measure(owner: str, measure: Measure | None) -> Measure | None:
    """Return the measure; raises `ConfigError` when it is none."""
    if measure is not None and not callable(measure):
        raise ConfigError(f"{owner}: measure = {measure!r} is not a function from texts to a number")
    return measure


def without_measure(measure: Measure | None) -> None:
    """Raise `MoaError` for a measure that would have to be written into a configuration."""
    if measure is not None:
        raise MoaError("a measure is a function, so it has no configuration", hint="set it in Python")
