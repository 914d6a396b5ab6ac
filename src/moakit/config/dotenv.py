"""Reading a `.env` file: names, quotes, comments, `${…}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from moakit.errors import ConfigError

_LINE = re.compile(
    r"""^\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
        (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<bare>.*?) )
        \s*(?:(?<=\s)\#.*)?$""",
    re.VERBOSE | re.ASCII,
)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_INSIDE_QUOTES = re.compile(r"\\(?P<escape>.)|\$\{(?P<name>\w+)\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def read(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a `.env` file; a missing file has none.

    `${NAME}` is taken from the environment, else from the file, else it is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: {error}", hint="it has to be UTF-8") from error
    return parse(text, environ)


def parse(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in the text of a `.env` file; lines that are none are passed over."""
    found: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        return environ.get(match[1], found.get(match[1], ""))

    def read_quoted(match: re.Match[str]) -> str:
        escape, name = match["escape"], match["name"]
        if escape is not None:
            return _ESCAPES.get(escape, match[0])
        return environ.get(name, found.get(name, ""))

    for line in text.split("\n"):
        match = _LINE.match(line)
        if match is None:
            continue
        if match["single"] is not None:
            value = match["single"]
        elif match["double"] is not None:
            value = _INSIDE_QUOTES.sub(read_quoted, match["double"])
        else:
            value = _VARIABLE.sub(fill, match["bare"])
        found[match["name"]] = value
    return found
