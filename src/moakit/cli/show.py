"""`moa show`: what an ensemble is made of."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from moakit.cli.options import config_option, loaded


@click.command()
@click.argument("ensemble", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print its configuration as JSON.")
@config_option
def show(ensemble: str | None, *, as_json: bool, config_file: Path | None) -> None:
    """Show an ensemble's layers, and what a run of it takes."""
    config = loaded(config_file, quiet=as_json)
    layer = config[ensemble or config.default]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(layer.to_config()), indent=2).decode())
    else:
        click.echo(f"{layer!r}\n\n{layer.summary()}")
