"""The application: which address leads where, and what stands before it."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from moakit.config.key_budgets import key_budgets
from moakit.models import pools
from moakit.server.access import Access
from moakit.server.chat import Chat
from moakit.server.health import Health, Load
from moakit.server.listing import Models, OneModel
from moakit.server.replies import INTERNAL, NOSNIFF, Failure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from moakit.config import Config

_NOSNIFF = {NOSNIFF[0].decode(): NOSNIFF[1].decode()}


class Application:
    """The ASGI application: keys first, then the address that is asked all the time, then the others.

    A chat goes past Starlette, each of whose layers would cost something for every token; Starlette leads
    to all other addresses. `routes` are all of them, `load` is what runs.
    """

    def __init__(self, config: Config, *, overrides: bool) -> None:
        self.load = Load(config.server, config.server_keys)
        health = Health(self.load)
        models = Models(config)
        budgets = key_budgets(config.server_keys)
        chats = {
            "/v1": Chat(config, self.load, overrides=overrides, budgets=budgets),
            "/openwebui/v1": Chat(config, self.load, overrides=overrides, budgets=budgets, openwebui=True),
        }
        self._direct: dict[str, ASGIApp] = {f"{base}/chat/completions": chat for base, chat in chats.items()}
        self.routes = [
            *(Route(path, chat, methods=["POST"]) for path, chat in self._direct.items()),
            *(Route(f"{base}/models", models, methods=["GET"]) for base in chats),
            *(Route(f"{base}/models/{{id:path}}", OneModel(models), methods=["GET"]) for base in chats),
            Route("/livez", health.live, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
        ]
        self._others = Starlette(
            routes=self.routes,
            exception_handlers={HTTPException: _no_such_address, Exception: _defect},
            lifespan=_lifespan,
        )
        # A redirect would be built from the Host header, which whoever asks may write as they like.
        self._others.router.redirect_slashes = False
        self._guarded = Access(self._lead, config.server_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._guarded(scope, receive, send)

    async def _lead(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = (
            self._direct.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        )
        await (direct or self._others)(scope, receive, send)


def create_app(config: Config, *, overrides: bool | None = None) -> Application:
    """Return the ASGI application that serves a configuration's ensembles.

    `overrides` says whether a request's `moa` object may change an ensemble; by default what the
    configuration says, else whether the server is bound to loopback.
    """
    return Application(config, overrides=allows_overrides(config) if overrides is None else overrides)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    yield
    await pools.close()


async def _no_such_address(request: Request, error: Any) -> JSONResponse:
    """Answer in OpenAI's shape for an address that is not there, or does not take the method."""
    where = f"{request.method} {request.scope['path']}"
    failure = Failure(error.status_code, f"{error.detail.lower()}: {where}")
    headers = {**(error.headers or {}), **_NOSNIFF}
    return JSONResponse({"error": failure.body()}, failure.status, headers=headers)


async def _defect(request: Request, error: Exception) -> JSONResponse:
    """Answer for a defect of our own, which the log tells."""
    return JSONResponse({"error": INTERNAL.body()}, INTERNAL.status, headers=_NOSNIFF)


def allows_overrides(config: Config) -> bool:
    """Return whether requests may change ensembles: as configured, else on loopback alone."""
    chosen = config.server.overrides
    return chosen if isinstance(chosen, bool) else is_loopback(config.server.host)


def is_loopback(host: str) -> bool:
    """Say whether an address is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # Another name leads wherever a name server says.
        return False
