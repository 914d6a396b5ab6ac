"""The OpenAI-compatible server: every ensemble is a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moakit.errors import MissingExtra

if TYPE_CHECKING:
    from moakit.config import Config


def serve(
    config: Config, *, host: str | None = None, port: int | None = None, open_to_all: bool = False
) -> None:
    """Serve a configuration's ensembles until a signal; raises `MissingExtra` without moakit[server]."""
    try:
        from moakit.server.process import run
    except ModuleNotFoundError as error:
        raise MissingExtra("the server", "server") from error
    run(config, host=host, port=port, open_to_all=open_to_all)
