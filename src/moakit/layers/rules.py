"""Keyword rules: which of several names the words of a text choose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from moakit.errors import ConfigError

Word: TypeAlias = str | re.Pattern[str]
"""A word or phrase as it is, or a regular expression: compiled, or as text between slashes."""

LATIN = "\u0e00"
"""Letters from here on may stand in a script without spaces, where a word has no edges to look for."""


class Rules:
    """Names with their words; case does not count, and words are found whole.

    >>> rules = Rules("Router", {"code": ["python", "/stack ?trace/"], "sums": ["add"]})
    >>> rules("A StackTrace in Python"), rules("my address"), rules("Please add")
    ('code', None, 'sums')
    """

    def __init__(self, owner: str, words: Mapping[str, Sequence[Word]]) -> None:
        if not words:
            raise ConfigError(f"{owner}: there are no words to choose by")
        self.words: dict[str, tuple[str, ...]] = {}
        self._patterns: list[tuple[str, list[re.Pattern[str]]]] = []
        for name, several in words.items():
            if isinstance(several, str | re.Pattern) or not several:
                raise ConfigError(f"{owner}: the words of {name!r} are not a list of one or more")
            self._patterns.append((name, [_compiled(owner, name, word) for word in several]))
            self.words[name] = tuple(
                word if isinstance(word, str) else f"/{word.pattern}/" for word in several
            )

    def __call__(self, text: str) -> str | None:
        """Return the first name, as they were declared, that has a word in the text."""
        for name, patterns in self._patterns:
            if any(pattern.search(text) for pattern in patterns):
                return name
        return None


def _compiled(owner: str, name: str, word: object) -> re.Pattern[str]:
    if isinstance(word, re.Pattern):
        if not isinstance(word.pattern, str) or word.flags & ~(re.IGNORECASE | re.UNICODE):
            raise ConfigError(
                f"{owner}: {word!r} of {name!r} has flags of its own, or is for bytes",
                hint="write flags into the pattern, such as (?s); case never counts",
            )
        source = word.pattern
    elif not isinstance(word, str) or not word.strip():
        raise ConfigError(f"{owner}: {word!r} of {name!r} is not a word")
    elif len(word) > 2 and word[0] == word[-1] == "/":
        source = word[1:-1]
    else:
        source = _whole(word)
    try:
        return re.compile(source, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{owner}: {word!r} of {name!r} is not a regular expression: {error}") from error


def _whole(word: str) -> str:
    parts = word.split()
    before = r"(?<!\w)" if _has_edge(parts[0][0]) else ""
    after = r"(?!\w)" if _has_edge(parts[-1][-1]) else ""
    return before + r"\s+".join(map(re.escape, parts)) + after


def _has_edge(letter: str) -> bool:
    return letter.isalnum() and letter < LATIN
