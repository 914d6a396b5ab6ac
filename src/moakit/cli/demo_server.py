"""`moa demo-server`: the demo models as an OpenAI-compatible upstream."""

from __future__ import annotations

import os

import click

from moakit.config import Config
from moakit.models.demo import NAMES
from moakit.models.providers import DEMO


@click.command("demo-server")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=6621, show_default=True, help="The port.")
def demo_server(*, host: str, port: int) -> None:
    """Serve the demo models, to try clients, gateways and failures without a key.

    They are not language models. `broken` always fails, `slow` takes a minute.
    """
    from moakit.server import serve

    ensembles = {name: {"model": f"{DEMO}/{name}"} for name in NAMES}
    config = Config({"ensembles": ensembles}, source="the demo models", environ=os.environ)
    serve(config, host=host, port=port)
