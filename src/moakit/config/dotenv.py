"""Reading a `.env` file: names, quotes, comments, `${…}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(
    r"""^\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
        (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<bare>.*?) )
        \s*(?:(?<=\s)\#.*)?$""",
    re.VERBOSE,
)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def read(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a `.env` file; a missing file has none.

    `${NAME}` is taken from the environment, else from the file, else it is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return {}
    return parse(text, environ)


def parse(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in the text of a `.env` file; lines that are none are passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        if match["single"] is not None:
            value = match["single"]
        else:
            value = match["double"] if match["double"] is not None else match["bare"]
            value = _VARIABLE.sub(lambda name: environ.get(name[1], found.get(name[1], "")), value)
            if match["double"] is not None:
                value = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), value)
        found[match["name"]] = value
    return found
