"""When proposals agree so much that the rest of a layer need not be waited for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple, TypeAlias

from moakit.errors import ConfigError
from moakit.types import Answer

Measure: TypeAlias = Callable[[Sequence[str]], float]
"""How much texts agree: 0 not at all, 1 wholly. A plain function; it is called between the proposals."""

AGREED = "the proposals agree"
"""What a call hears that is cancelled for it: nothing failed, so such a run is not degraded."""
LOOKED_AT = 4000
"""How many characters of a text are compared: of a longer one, half from its beginning, half from its end."""

# Scripts written without spaces: there every character is a word.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W{_DENSE}]"
_WORD = re.compile(rf"(?P<number>(?<!{_LETTER})[-\u2212]?\d+(?:[.,]\d+)*(?!{_LETTER}))|[{_DENSE}]|{_LETTER}+")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


class Words(NamedTuple):
    """What is compared of a text."""

    phrases: frozenset[str]
    numbers: frozenset[str]
    only_numbers: bool


def words_of(text: str) -> Words:
    """Return the words of a text and its phrases of two and three, which tell "a beats b" from "b beats a".

    Case, punctuation and the width of characters do not count; 1,000 is 1000, 3,14 is 3.14, 42.0 is 42.
    """
    if len(text) > LOOKED_AT:
        text = f"{text[: LOOKED_AT // 2]} {text[-LOOKED_AT // 2 :]}"
    words: list[str] = []
    numbers: set[str] = set()
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = match[0]
        if match["number"]:
            word = _number(word)
            numbers.add(word)
        words.append(word)
    phrases = {*words, *map(" ".join, pairwise(words))}
    phrases.update(map(" ".join, zip(words, words[1:], words[2:], strict=False)))
    if not words and (sign := text.strip()):
        phrases = {sign}
    return Words(frozenset(phrases), frozenset(numbers), bool(words) and len(numbers) == len({*words}))


def alike(one: Words, other: Words) -> float:
    """Return how alike two texts are, 0 to 1: the share of their words and phrases that both have.

    Where both have numbers, times the share of those: the same sentence about 42 and about 43 is not alike.
    Where one of them is nothing but numbers, the numbers alone: "42" and "The answer is 42." are alike.
    """
    if not one.numbers or not other.numbers:
        return _share(one.phrases, other.phrases)
    numbers = _share(one.numbers, other.numbers)
    if one.only_numbers or other.only_numbers or not numbers:
        return numbers
    return numbers * _share(one.phrases, other.phrases)


class Agreement:
    """Is told proposals as they come, and says when they agree.

    At least two, and `least`, have to be there; `wanted` is how much they must agree, by the `measure` or, as
    the mean over all pairs, by `alike`.
    """

    __slots__ = ("_least", "_measure", "_pairs", "_sum", "_texts", "_wanted", "_words")

    def __init__(self, wanted: float, *, measure: Measure | None = None, least: int = 1) -> None:
        self._wanted = wanted
        self._measure = measure
        self._least = max(2, least)
        self._texts: list[str] = []
        self._words: list[Words] = []
        self._sum = 0.0
        self._pairs = 0

    def __call__(self, texts: Iterable[str]) -> bool:
        """Take the texts of another proposer and say whether all so far agree; raises what `measure` does."""
        self._texts.extend(texts)
        if self._measure is not None:
            there = len(self._texts) >= self._least
            return there and measured(self._measure, tuple(self._texts)) >= self._wanted
        for text in self._texts[len(self._words) :]:
            words = words_of(text)
            self._sum += sum(alike(words, other) for other in self._words)
            self._pairs += len(self._words)
            self._words.append(words)
        return len(self._words) >= self._least and self._sum / self._pairs >= self._wanted


def agreement_of(texts: Sequence[str], measure: Measure | None = None) -> float:
    """Return how much texts, two or more, agree: by the measure, else the mean of `alike` over all pairs."""
    if measure is not None:
        return measured(measure, tuple(texts))
    words = [words_of(text) for text in texts]
    pairs = [alike(one, other) for one, other in combinations(words, 2)]
    return sum(pairs) / len(pairs)


def compared(texts: Sequence[str], measure: Measure | None = None) -> list[list[float]]:
    """Return how alike each text is to each other, by the measure or by their words; 0 to itself."""
    words = [] if measure is not None else [words_of(text) for text in texts]
    table = [[0.0] * len(texts) for _ in texts]
    for one, other in combinations(range(len(texts)), 2):
        if measure is None:
            value = alike(words[one], words[other])
        else:
            value = measured(measure, (texts[one], texts[other]))
        table[one][other] = table[other][one] = value
    return table


def likeness(before: Sequence[str], after: Sequence[str], measure: Measure | None = None) -> float:
    """Return how like the texts after are to those before, 0 to 1, whatever their order.

    Each is compared with the one most like it on the other side; the side that finds less counts. 0 where
    there is nothing on one side.
    """
    if not before or not after:
        return 0.0
    if measure is not None:
        table = [[measured(measure, (one, other)) for other in after] for one in before]
    else:
        known = [words_of(text) for text in after]
        table = [[alike(words, other) for other in known] for words in map(words_of, before)]
    rows = [max(row) for row in table]
    columns: list[float] = [max(column) for column in zip(*table, strict=True)]
    return min(sum(rows) / len(rows), sum(columns) / len(columns))


def measured(measure: Measure, texts: Sequence[str]) -> float:
    """Return how much texts agree by a measure of the user's own; raises `ConfigError` for no number."""
    value: object = measure(texts)
    if isinstance(value, int | float):
        return value
    raise ConfigError(
        f"measure returned {value!r}, not a number", hint="a measure is a function from texts to 0 … 1"
    )


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both) if both else 0.0


def _number(text: str) -> str:
    text = text.replace("\u2212", "-")
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return text.rstrip("0").rstrip(".") if text.count(".") == 1 else text


# An answer says how much its references agree, and stands below what compares them.
Answer.compared = staticmethod(compared)
