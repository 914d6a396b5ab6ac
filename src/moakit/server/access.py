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
WHO = "moakit.key"
"""Where a request's scope tells whose key it was sent with: its name, never the key."""


class Access:
    """Pure ASGI middleware that asks for one of the server's keys, compared as SHA-256 digests of bytes.

    What stands behind it finds the key's name in the scope, under `WHO`; nothing where no key is asked for.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[KeyConfig]) -> None:
        self.app = app
        self._known = [(_digest(key.key.encode()), key.name) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and self._known and scope["path"] not in OPEN:
            given = _bearer(scope["headers"])
            who = None if given is None else self._owner(given)
            if who is None:
                what = "no API key was sent" if given is None else "the API key is not known here"
                await send_failure(
                    send,
                    Failure(401, f"{what}; send one of the server's keys as Authorization: Bearer …",
                            kind="authentication_error", code="invalid_api_key"),
                )  # fmt: skip
                return
            scope[WHO] = who
        await self.app(scope, receive, send)

    def _owner(self, key: bytes) -> str | None:
        digest = _digest(key)
        # Every key is compared, so that the time taken does not tell which one was close.
        owners = [name for known, name in self._known if hmac.compare_digest(digest, known)]
        return owners[0] if owners else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _bearer(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.partition(b" ")
            return key.strip() if scheme.lower() == b"bearer" else None
    return None
