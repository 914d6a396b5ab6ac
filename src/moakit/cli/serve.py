"""`moa serve`: the ensembles as models of an OpenAI-compatible server."""

from __future__ import annotations

from pathlib import Path

import click

from moakit.cli.options import config_option, loaded


@click.command()
@click.option("--host", help="The address to bind [default: 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="The port [default: 6620].")
@click.option("--no-key", is_flag=True, help="Allow an address that others can reach without a server key.")
@config_option
def serve(*, host: str | None, port: int | None, no_key: bool, config_file: Path | None) -> None:
    """Serve every ensemble as a model: /v1/chat/completions and /v1/models.

    Any OpenAI client works with the base URL that is printed.
    """
    from moakit.server import serve as serve_config

    config = loaded(config_file)
    serve_config(config, host=host, port=port, open_to_all=no_key)
