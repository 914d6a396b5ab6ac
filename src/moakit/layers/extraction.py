"""Reading the short answer out of a response, so that answers can be counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from moakit.errors import ConfigError, nearest

Extract: TypeAlias = str | re.Pattern[str] | Callable[[str], str | None]
"""A name from `EXTRACTORS`, a pattern, or a function from a text to the answer in it, None without one."""

LONGEST = 50
"""Characters from which on a number is none that anybody votes on."""

# What models write is read by patterns that take no longer than the text: each repetition ends where the next
# cannot begin, or is short.
_BOXED = re.compile(r"\\boxed ?\{(?:\\text ?\{)?([^{}]{1,100})\}")
_FRACTION = re.compile(r"\\[dt]?frac ?\{(\d{1,20})\} ?\{(\d{1,20})\}")
_FINAL = re.compile(r"####\s*(.+)")
_NUMBER = re.compile(
    r"(?<![\w.,])[-+\u2212]?\$?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?(?:\s*/\s*(?P<under>\d+))?(?![\d])"
)
_LETTER = (
    re.compile(r"(?i:\b(?:answer|option|choice)\b)[^\w(]{0,4}(?i:is|:)?[\s:*_(\[$]*([A-Z])\b(?!['\u2019])"),
    re.compile(r"\A\W*([A-Za-z])\W*\Z"),
    re.compile(r"\A\W*([A-Z])[).:]"),
    re.compile(r"[(\[*_]{1,3}([A-Z])[)\]*_.:]"),
    re.compile(r"\b([B-HJ-Z])\b(?!['\u2019])"),
)
"""Where the letter of a choice is looked for, one after the other; in each the last one counts."""
_EDGES = " \t\r\n.,;:!?\"'`*_()[]\u201c\u201d\u2018\u2019\u3002"


def text_in(text: str) -> str | None:
    """Return the whole text: case, white space, and marks around it do not count."""
    return plain(text)


def number_in(text: str) -> str | None:
    """Return the number in a text: the boxed one, the one after ####, else the last; 1,000.0 is 1000."""
    text = _FRACTION.sub(r"\1/\2", text)
    for pattern in (_BOXED, _FINAL):
        for found in reversed(pattern.findall(text)):
            if (number := _last_number(found)) is not None:
                return number
    return _last_number(text)


def letter_in(text: str) -> str | None:
    """Return the letter of a choice: a boxed one, the one after "answer", or one that stands alone."""
    boxed = [letter for found in _BOXED.findall(text) if len(letter := found.strip()) == 1]
    if boxed and boxed[-1].isalpha():
        return str(boxed[-1]).upper()
    for pattern in _LETTER:
        if found := pattern.findall(text):
            return str(found[-1]).upper()
    return None


EXTRACTORS: Mapping[str, Callable[[str], str | None]] = {
    "text": text_in,
    "number": number_in,
    "letter": letter_in,
}


def extractor(extract: Extract) -> Callable[[str], str | None]:
    """Return the function that reads an answer; raises `ConfigError`."""
    if isinstance(extract, re.Pattern):
        return _by_pattern(extract)
    if isinstance(extract, str):
        if extract in EXTRACTORS:
            return EXTRACTORS[extract]
        near = nearest(extract, EXTRACTORS)
        hint = f"did you mean {near!r}?" if near else "text, number, letter, or a pattern by re.compile(…)"
        raise ConfigError(f"Voter: extract = {extract!r} is not known", hint=hint)
    if callable(extract):
        return _by_function(extract)
    raise ConfigError(f"Voter: extract = {extract!r} is neither a name, a pattern nor a function")


def pattern_of(text: str, where: str) -> re.Pattern[str]:
    """Return a pattern; raises `ConfigError` that says where it was written."""
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where}: {text!r} is not a pattern: {error}") from error


def text_of_pattern(pattern: re.Pattern[str]) -> str:
    """Return the text that makes this pattern again, its flags in front."""
    flags = pattern.flags & ~re.compile(pattern.pattern).flags
    letters = "".join(name.lower() for name in "AIMSX" if flags & getattr(re, name))
    return f"(?{letters}){pattern.pattern}" if letters else pattern.pattern


def plain(text: str) -> str | None:
    """Return a text in the form in which texts are compared, None for one that says nothing."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES) or None


def _by_pattern(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        found = None
        for found in pattern.finditer(text):  # noqa: B007 - the last one counts
            pass
        if found is None:
            return None
        return plain((found[1] if pattern.groups else found[0]) or "")

    return read


def _by_function(extract: Callable[[str], Any]) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        answer = extract(text)
        if answer is not None and not isinstance(answer, str):
            raise ConfigError(
                f"extract returned {answer!r}, not a text", hint="None says that there is no answer in it"
            )
        return answer or None

    return read


def _last_number(text: str) -> str | None:
    last = None
    for match in _NUMBER.finditer(text):
        if len(match[0]) < LONGEST:
            last = match
    if last is None:
        return None
    under = int(last["under"] or 1)
    value = Fraction(last["whole"].replace(",", "") + (last["part"] or "")) / (under or 1)
    return str(-value if last[0][0] in "-\u2212" else value) if under else None
