"""`moa show`: what an ensemble is made of."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from moakit.cli.options import config_option, loaded


@click.command()
@click.argument("ensemble", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print its configuration as JSON.")
@click.option("--mermaid", is_flag=True, help="Print a picture of it: a Mermaid flowchart.")
@config_option
def show(ensemble: str | None, *, as_json: bool, mermaid: bool, config_file: Path | None) -> None:
    """Show an ensemble's layers, and what a run of it takes."""
    if as_json and mermaid:
        raise click.UsageError("--json and --mermaid: choose one")
    config = loaded(config_file, quiet=as_json or mermaid)
    layer = config[ensemble or config.default]
    if mermaid:
        click.echo(layer.to_mermaid())
        return
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(layer.to_config()), indent=2).decode())
    else:
        click.echo(f"{layer!r}\n\n{layer.summary()}")
