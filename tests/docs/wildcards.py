"""Comparing what a page shows with what came out; `…` stands for anything, over several lines too."""

import difflib
import re

NUMBER = re.compile(r"\d[\d.,]*")


def difference(shown: str, came: str) -> str:
    """Return what differs, or an empty string."""
    shown, came = _tidy(shown), _tidy(came)
    if _matches(shown, came):
        return ""
    lines = difflib.unified_diff(shown.split("\n"), came.split("\n"), "shown", "came", lineterm="")
    return "\n".join(lines)


def rough_difference(shown: str, came: str) -> str:
    """The same whatever the figures and the white space: for what is drawn on a terminal."""
    if _matches(*("".join(NUMBER.sub("#", text).split()) for text in (shown, came))):
        return ""
    return difference(NUMBER.sub("#", shown), NUMBER.sub("#", came))


def _matches(shown: str, came: str) -> bool:
    return re.fullmatch(".*?".join(map(re.escape, shown.split("…"))), came, re.DOTALL) is not None


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
