"""A question to a judge in which the references are called A, B, C."""

from __future__ import annotations

import re
from collections.abc import Sequence

from moakit.errors import ConfigError
from moakit.layers.judging import Question
from moakit.policies.settings import Settings
from moakit.prompts.fences import mark_for
from moakit.types import Message

_LETTERS = re.compile(r"\b[A-Z]{1,2}\b")


class Lettered(Question, frozen=True, kw_only=True):
    """A question that numbers would mislead in: a 1 beside a response is read as a mark or a rank."""

    def __call__(self, messages: Sequence[Message], references: Sequence[str], seed: str) -> list[Message]:
        """Return the messages for the judge."""
        system, asked = super().__call__(messages, references, seed)
        # The mark occurs in no reference, so that these lines are ours alone.
        mark = re.escape(mark_for(seed, references))
        text = re.sub(
            rf"^<<<{mark} reference (\d+)>>>$",
            lambda match: f"<<<{mark} response {letter(int(match[1]) - 1)}>>>",
            str(asked["content"]),
            flags=re.MULTILINE,
        )
        text = text.replace(f"<<<{mark} end of references>>>", f"<<<{mark} end of responses>>>")
        return [system, {**asked, "content": text}]


def letter(place: int) -> str:
    """Return the letter of a place, counted from 0: A to Z, then AA, AB and so on."""
    before, last = divmod(place, 26)
    return (letter(before - 1) if before else "") + chr(ord("A") + last)


def letters(count: int) -> list[str]:
    """Return the letters of so many references."""
    return [letter(place) for place in range(count)]


def ranking_of(value: object, count: int) -> list[int]:
    """Return the places, from 0, that a ranking names by their letters, best first; raises `ValueError`.

    A list of letters or one text, "B > A"; every reference stands in it once.
    """
    given: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str):
            raise ValueError("the ranking is not a list of letters")  # noqa: TRY004 - as for any other verdict
        given.append(one)
    named = [found for one in given for found in _LETTERS.findall(one.upper() if len(one) < 3 else one)]
    known = letters(count)
    for name in named:
        if name not in known:
            raise ValueError(f"there is no response {name}, they go from A to {known[-1]}")
    if len(named) != len(set(named)):
        raise ValueError("a response stands in the ranking twice")
    missing = [name for name in known if name not in named]
    if missing:
        raise ValueError(f"the ranking is without {', '.join(missing)}")
    return [known.index(name) for name in named]


def refuse_prompt(owner: str, settings: Settings) -> None:
    """Raise `ConfigError` for a prompt given to a layer whose replies are read by moakit."""
    if settings.prompt is not None:
        raise ConfigError(
            f"{owner}: a judge is not asked by a prompt",
            hint="give `instructions` instead",
        )
