"""`moa models`: what can be asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from moakit.cli.options import config_option, loaded
from moakit.config import Config
from moakit.models import discover
from moakit.models.demo import NAMES
from moakit.models.providers import DEMO, Endpoint
from moakit.models.secrets import without_password
from moakit.run import background

PATIENCE = 5.0
"""Seconds a provider has to list its models."""


@click.command()
@click.option(
    "--all", "everything", is_flag=True, help="Also list the models of every provider that can be reached."
)
@config_option
def models(*, everything: bool, config_file: Path | None) -> None:
    """List the ensembles; with --all also every provider's models.

    One name a line, then a tab and what it is.
    """
    config = loaded(config_file)
    for name, layer in config.items():
        plan = layer.plan()
        about = getattr(layer, "description", "") or f"{plan.calls} calls in {plan.steps} steps"
        click.echo(f"{name}\t{about}" + (" (default)" if name == config.default else ""))
    if everything:
        for endpoint, found in background.call(_listed(config)):
            if isinstance(found, str):
                click.secho(f"{endpoint.name}: {without_password(found)}", err=True, dim=True)
            else:
                for model in found:
                    click.echo(f"{endpoint.name}/{model}\t{without_password(endpoint.base_url)}")
        for model in NAMES:
            click.echo(f"{DEMO}/{model}\tdemo model, not a language model")


async def _listed(config: Config) -> list[tuple[Endpoint, tuple[str, ...] | str]]:
    endpoints = {endpoint.name: endpoint for endpoint in discover.keyed(config.environ)} | config.endpoints

    async def ask(endpoint: Endpoint) -> tuple[Endpoint, tuple[str, ...] | str]:
        try:
            return endpoint, await discover.list_models(endpoint, config.environ, within=PATIENCE)
        except Exception as error:  # noqa: BLE001 - one provider's trouble does not hide the others
            return endpoint, " ".join(str(error).split()) or "did not answer in time"

    local = [(found.endpoint, found.models) for found in await discover.probe(config.environ)]
    asked = await asyncio.gather(*map(ask, endpoints.values()))
    return [*asked, *(pair for pair in local if pair[0].name not in endpoints)]
