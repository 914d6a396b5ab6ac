"""Secrets that stand out, and the search for them in whatever is shown of a run."""

import base64
import traceback
from collections.abc import Iterator
from urllib.parse import quote

PROVIDER_KEY = "Zq7Kp2vX-provider-9Lm4Wt8b"
SERVER_KEY = "Rf5Jd1nS-server-3Hy6Gc0e"
HEADER = "Uw8Tb4mQ-header-2Xk9Fz7a"
USER = "Oe3Vh6rL-user-1Np5Ys4i"
PASSWORD = "Ga9Cx0uP-password-7Dt2Bj6o"
CANARIES = (PROVIDER_KEY, SERVER_KEY, HEADER, USER, PASSWORD)
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
"""How user and password go over the wire."""
ENDS = 8
"""How many characters of a secret's beginning or end already give it away."""


def userinfo(base_url: str) -> str:
    """Return the address with a user and a password in it."""
    return base_url.replace("://", f"://{USER}:{PASSWORD}@")


def leaks(*shown: object) -> set[str]:
    """Return what of the canaries is in any of these: whole, or the beginning or end alone."""
    text = "\n".join(one if isinstance(one, str) else _text(one) for one in shown)
    wanted = {BASIC[:16], BASIC[-16:]}
    for canary in CANARIES:
        wanted |= {canary[:ENDS], canary[-ENDS:], quote(canary)}
    return {part for part in wanted if part in text}


def all_of(error: BaseException) -> Iterator[str]:
    """Yield everything a program may show of an error, with what it was raised from."""
    yield from traceback.format_exception(error)
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield f"{one} {one!r} {one.args!r}"
        yield str(vars(one))
        if not one.__suppress_context__:
            waiting.append(one.__context__)
        waiting.append(one.__cause__)
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)


def _text(one: object) -> str:
    if isinstance(one, bytes):
        return one.decode("utf-8", "replace")
    if isinstance(one, BaseException):
        return "\n".join(all_of(one))
    return f"{one} {one!r}"
