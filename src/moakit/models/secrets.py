"""What an endpoint is reached with and nobody is told: found in a text, it is starred out."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from moakit.models.providers import Endpoint

HIDDEN = "***"
_LOOKS_SECRET = re.compile(
    r"\b((sk|gsk|csk|key|tgp|xai|hf|pk|fw|ghp|gho|github_pat|nvapi|pplx)[-_]|AIza)[A-Za-z0-9_\-*]{6,}"
    r"|Bearer\s+\S+|\bBasic\s+[A-Za-z0-9+/]{8,}={0,2}",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_WORD = 8
"""A secret shorter than this is hidden only where it stands alone: "ollama" or "none" are words as well."""
_TELLING = 16
"""From this length on, its first or last eight characters are hidden too: many servers mask the rest."""
_AROUND = r"[\w*.…\-]{0,80}"


class Secrets:
    """The key, the headers' values and the password of an endpoint; true when there is any.

    >>> Secrets("Zq7Kp2vX9Lm4Wt8b").hidden_in("wrong key: Zq7Kp2vX****, as in Bearer abc")
    'wrong key: ***, as in ***'
    """

    __slots__ = ("_longest", "_pattern")

    def __init__(self, *values: str | None) -> None:
        known = sorted({form for value in values if value for form in _forms(value)}, key=len, reverse=True)
        self._longest = len(known[0]) if known else 0
        self._pattern = re.compile("|".join(map(_found, known))) if known else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({HIDDEN if self else ''})"

    def hidden_in(self, text: str) -> str:
        """Return the text without them, without what looks like one, without passwords in addresses."""
        if self._pattern is not None:
            text = self._pattern.sub(HIDDEN, text)
        return _LOOKS_SECRET.sub(HIDDEN, without_password(text))

    def beginning(self, text: str, size: int) -> str:
        """Return the beginning of a text as it is; where it is cut, no piece of a secret is left."""
        return text if len(text) <= size else text[: max(0, size - self._longest)]


Key: TypeAlias = Secrets | str | None
"""A key, or all that is secret of its endpoint."""


def as_secrets(key: Key) -> Secrets:
    """Return what is secret, given as it is or as the key alone."""
    return key if isinstance(key, Secrets) else Secrets(key)


def secrets_of(endpoint: Endpoint, key: str | None) -> Secrets:
    """Return what is secret of an endpoint reached with this key."""
    return Secrets(key, *_of_headers(endpoint.headers.values()), *_of_address(endpoint.base_url))


def without_password(text: str) -> str:
    """Return an address, or a text with one, without the user and password that may stand in it."""
    return _USERINFO.sub(f"{HIDDEN}@", text)


def _of_headers(values: Iterable[str]) -> Iterator[str]:
    # A short value is a version or a flag; a long one may be a key, alone or after its scheme.
    return (word for value in values for word in value.split() if len(word) >= _WORD)


def _of_address(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user, password = parts.username or "", parts.password or ""
    if user or password:
        plain = f"{unquote(user)}:{unquote(password)}"
        yield from (unquote(user), unquote(password), base64.b64encode(plain.encode()).decode())


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe="")}


def _found(secret: str) -> str:
    whole = re.escape(secret)
    if len(secret) < _WORD:
        return rf"(?<!\w){whole}(?!\w)"
    if len(secret) < _TELLING:
        return whole
    ends = f"{re.escape(secret[:_WORD])}|{re.escape(secret[-_WORD:])}"
    return f"{whole}|{_AROUND}(?:{ends}){_AROUND}"
