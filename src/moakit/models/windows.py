"""How much a model takes at once: what is configured, what is listed, what its refusals have said."""

from __future__ import annotations

from collections.abc import Mapping

from moakit.errors import ContextTooLong
from moakit.models import prices
from moakit.models.base import Model
from moakit.models.providers import Endpoint

LITTLE = 3500
"""Tokens that any listed chat model takes: for as few the list is not looked at."""
REMEMBERED = 1024
"""How many models' windows are remembered."""
_DENSEST = 8.0
"""More tokens than this for each estimated one are a misunderstanding, not a text."""


class _Lesson:
    """What a model's refusals have taught: its window, and its tokens for each estimated one, at least 1."""

    __slots__ = ("density", "window")

    def __init__(self) -> None:
        self.window: int | None = None
        self.density = 1.0


_lessons: dict[tuple[str, str], _Lesson] = {}


def may_be_known(model: Model) -> bool:
    """Say whether it is worth asking for the window; costs next to nothing."""
    endpoint = model.endpoint
    if endpoint is not None and (endpoint.context_length is not None or endpoint.quirks.prices is not None):
        return True
    return bool(_lessons) and _key(endpoint, model.name) in _lessons


def window_of(endpoint: Endpoint | None, name: str, *, listed: bool = True) -> int | None:
    """Return the window, in tokens, of the model with this full name, None when it is unknown.

    What is configured comes before what is listed; a smaller one that a refusal has named before both.
    With `listed=False` the public list, whose first use takes a while, is left alone.
    """
    window = None if endpoint is None else _configured(endpoint, name)
    if window is None and listed and endpoint is not None:
        window = prices.window(endpoint, name.partition("/")[2])
    lesson = _lessons.get(_key(endpoint, name)) if _lessons else None
    if lesson is None or lesson.window is None:
        return window
    return lesson.window if window is None else min(window, lesson.window)


def density_of(model: Model) -> float:
    """Return the tokens the model counts for each estimated one, as far as that was seen; at least 1."""
    lesson = _lessons.get(_key(model.endpoint, model.name)) if _lessons else None
    return 1.0 if lesson is None else lesson.density


def learn(model: Model, error: ContextTooLong, *, estimated: int, asked: int | None) -> None:
    """Remember, for this process, what a refusal says of the model.

    `estimated` tokens were sent, and an answer of at most `asked` was asked for.
    """
    counted = error.needed
    if error.window is None or error.window > _DENSEST * (estimated + (asked or 0)):
        return
    lesson = _lesson(model)
    lesson.window = error.window
    if counted is None:
        return
    if error.answer is not None:
        counted -= error.answer
    elif asked is not None and abs(counted - asked - estimated) < abs(counted - estimated):
        # It does not say so, but the answer is part of what it counted.
        counted -= asked
    _measure(lesson, estimated, counted)


def confirm(model: Model, *, estimated: int, counted: int) -> None:
    """Correct, by what was `counted` for a call that went through, how far the estimates are off."""
    lesson = _lessons.get(_key(model.endpoint, model.name))
    if lesson is not None and estimated and counted:
        _measure(lesson, estimated, counted)


def forget() -> None:
    """Forget what refusals have said."""
    _lessons.clear()


def _measure(lesson: _Lesson, estimated: int, counted: int) -> None:
    density = counted / max(estimated, 1)
    if density <= _DENSEST:
        lesson.density = max(density, 1.0)


def _lesson(model: Model) -> _Lesson:
    key = _key(model.endpoint, model.name)
    if key not in _lessons and len(_lessons) >= REMEMBERED:
        del _lessons[next(iter(_lessons))]
    return _lessons.setdefault(key, _Lesson())


def _configured(endpoint: Endpoint, name: str) -> int | None:
    length = endpoint.context_length
    return length.get(name.partition("/")[2]) if isinstance(length, Mapping) else length


def _key(endpoint: Endpoint | None, name: str) -> tuple[str, str]:
    return (name, "" if endpoint is None else endpoint.base_url)
