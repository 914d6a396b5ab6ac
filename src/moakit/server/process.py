"""The server's process: binding, signals, draining."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from moakit.errors import ConfigError
from moakit.server.app import allows_overrides, create_app, is_loopback
from moakit.server.connections import Connection

if TYPE_CHECKING:
    from moakit.config import Config
    from moakit.server.app import Application
    from moakit.server.health import Load


BACKLOG = 2048
"""Connections that may wait to be accepted."""
FAREWELL = 1.0
"""Seconds in which those are told whose answers were not finished in time."""


def run(config: Config, *, host: str | None, port: int | None, open_to_all: bool) -> None:
    """Serve until a signal; raises `ConfigError` for an open address without a key, or a port in use."""
    host = host or config.server.host
    port = config.server.port if port is None else port
    if not is_loopback(host) and not config.server_keys and not open_to_all:
        raise ConfigError(
            f"{host} can be reached from other machines, and the server has no key",
            hint="set server.keys, or say --no-key",
        )
    chosen = config.server.overrides
    overrides = allows_overrides(config) if isinstance(chosen, bool) else is_loopback(host)
    app = create_app(config, overrides=overrides)
    settings = settings_for(app, host=host, port=port)
    server = _Server(settings, app.load, config.server.drain)
    listener = _bind(host, port)
    with contextlib.closing(listener):
        _announce(config, listener)
        # What is here now stays to the end: full collections need not look through it again and again.
        gc.collect()
        gc.freeze()
        server.run(sockets=[listener])


def settings_for(app: Application, *, host: str, port: int) -> uvicorn.Config:
    """Return how uvicorn is to serve the application."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Connection,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # From here on clients are let in, and wait: an announced address can be used at once.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{host}:{port} cannot be bound: {error.strerror or error}", hint="choose another with --port"
        ) from error
    return listener


def _announce(config: Config, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    names = ", ".join(config)
    sys.stderr.write(f"moakit serves {names} at http://{shown}:{port}/v1\n")
    if not config.server_keys and not is_loopback(host):
        sys.stderr.write("anyone who reaches this address can use it: no key is asked for\n")
    sys.stderr.flush()


class _Server(uvicorn.Server):
    """A uvicorn server that, told to stop, first lets running answers finish."""

    def __init__(self, config: uvicorn.Config, load: Load, drain: float) -> None:
        super().__init__(config)
        self._load = load
        self._drain = drain
        self._waiting: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals that stop a server, for as long as it runs."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends what still runs, a third does not even wait for that."""
        if self._loop is None:
            self.should_exit = True
        elif not self._load.draining:
            self._load.draining = True
            self._loop.call_soon_threadsafe(self._begin)
        elif not self._load.stopped:
            self._loop.call_soon_threadsafe(self._load.stop)
        else:
            self.should_exit = self.force_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and remember the loop for the signals."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)

    def _begin(self) -> None:
        self._waiting = asyncio.get_running_loop().create_task(self._finish())

    async def _finish(self) -> None:
        if running := self._load.running - self._load.turn_away():
            answers = "1 answer" if running == 1 else f"{running} answers"
            sys.stderr.write(f"finishing {answers}, at most {self._drain:g} s\n")
        await self._load.idle(self._drain)
        self._load.stop()
        await self._load.idle(FAREWELL)
        if self._load.running:
            # Whoever is left does not even read that.
            for connection in list(self.server_state.connections):
                connection.transport.abort()
        self.should_exit = True
