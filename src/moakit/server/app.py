"""The application: which address leads where, and what stands before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from moakit.models import pools
from moakit.server.access import Access
from moakit.server.chat import Chat
from moakit.server.health import Health, Load
from moakit.server.listing import Models, OneModel

if TYPE_CHECKING:
    from moakit.config import Config


def create_app(config: Config, *, overrides: bool | None = None) -> Starlette:
    """Return the ASGI application that serves a configuration's ensembles.

    `overrides` says whether a request's `moa` object may change an ensemble; by default what the
    configuration says, else whether the server is bound to loopback.
    """
    load = Load()
    allowed = allows_overrides(config) if overrides is None else overrides
    health = Health(load)
    models = Models(config)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await pools.close()

    app = Starlette(
        routes=[
            Route("/v1/chat/completions", Chat(config, load, overrides=allowed), methods=["POST"]),
            Route("/v1/models", models, methods=["GET"]),
            Route("/v1/models/{id:path}", OneModel(models), methods=["GET"]),
            Route("/livez", health.live, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
        ],
        middleware=[Middleware(Access, keys=config.server.keys)],
        lifespan=lifespan,
    )
    app.state.load = load
    return app


def allows_overrides(config: Config) -> bool:
    """Return what the configuration says of overrides: open on loopback, closed elsewhere, unless it is set."""
    chosen = config.server.overrides
    return chosen if isinstance(chosen, bool) else is_loopback(config.server.host)


def is_loopback(host: str) -> bool:
    """Say whether an address is this machine alone."""
    return host in ("localhost", "::1") or host.startswith("127.")
