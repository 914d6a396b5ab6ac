"""Who may use the server: the check of keys that stands before every address but the probes'."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from moakit.server.replies import Failure, send_failure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from moakit.config.schema import KeyConfig

OPEN = frozenset({"/livez", "/readyz"})
"""The addresses that need no key."""


class Access:
    """Pure ASGI middleware that asks for one of the server's keys, compared as SHA-256 digests of bytes.

    What it passes on finds the key's name, or else its number, in `scope["moakit.key"]`.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[KeyConfig]) -> None:
        self.app = app
        self._digests = [_digest(key.key.encode()) for key in keys]
        self._names = [key.name or number for number, key in enumerate(keys)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and self._digests and scope["path"] not in OPEN:
            given = _bearer(scope["headers"])
            number = None if given is None else self._find(given)
            if number is None:
                what = "no API key was sent" if given is None else "the API key is not known here"
                await send_failure(
                    send,
                    Failure(401, f"{what}; send one of the server's keys as Authorization: Bearer …",
                            kind="authentication_error", code="invalid_api_key"),
                )  # fmt: skip
                return
            scope["moakit.key"] = self._names[number]
        await self.app(scope, receive, send)

    def _find(self, key: bytes) -> int | None:
        digest = _digest(key)
        # Every key is compared, so that the time taken does not tell which one was close.
        same = [hmac.compare_digest(digest, known) for known in self._digests]
        return same.index(True) if True in same else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _bearer(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.partition(b" ")
            return key.strip() if scheme.lower() == b"bearer" else None
    return None
