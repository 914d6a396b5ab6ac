"""`moa doctor`: whether everything that is configured works."""

from __future__ import annotations

import importlib.util
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from moakit import __version__
from moakit.cli.options import config_option
from moakit.config import Config, load
from moakit.config.build import agents
from moakit.errors import MoaError
from moakit.models import discover
from moakit.models.providers import Endpoint
from moakit.models.secrets import without_password
from moakit.run import background

PATIENCE = 10.0


@click.command()
@config_option
@click.pass_context
def doctor(ctx: click.Context, *, config_file: Path | None) -> None:
    """Check the configuration, the keys, and that every provider answers and has the models in use.

    Makes no call that costs anything. Exit code 1 when something is wrong.
    """
    _good(f"moakit {__version__}, Python {platform.python_version()}, {sys.platform}")
    for extra, module in (("server", "starlette"), ("prices", "genai_prices")):
        if importlib.util.find_spec(module) is None:
            _note(f'the extra {extra!r} is not installed: pip install "moakit[{extra}]"')
    try:
        config = load(config_file)
    except MoaError as error:
        _bad(error.message, error.hint)
        ctx.exit(1)
    _good(f"configuration: {config.source}; ensembles: {', '.join(config)}")
    for note in config.notes:
        _note(note)
    healthy = True
    for endpoint, used in _used(config):
        healthy &= background.call(_check(endpoint, used, config))
    if not healthy:
        ctx.exit(1)


def _used(config: Config) -> Iterator[tuple[Endpoint, set[str]]]:
    endpoints: dict[tuple[str, str, str | None], tuple[Endpoint, set[str]]] = {}
    for layer in config.values():
        for agent in agents(layer):
            endpoint = agent.bound.endpoint
            if endpoint is not None:
                models = endpoints.setdefault(endpoint.identity, (endpoint, set()))[1]
                models.add(agent.model.partition("/")[2])
    yield from endpoints.values()


async def _check(endpoint: Endpoint, used: set[str], config: Config) -> bool:
    key = endpoint.key(config.environ)
    if key is None and endpoint.key_variable and not endpoint.local:
        _bad(
            f"{endpoint.name}: there is no key", f"set {endpoint.key_variable} in the environment or in .env"
        )
        return False
    where = f"{endpoint.name} at {without_password(endpoint.base_url)}"
    started = time.monotonic()
    try:
        listed = await discover.list_models(endpoint, config.environ, within=PATIENCE)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this command is there to tell
        what = " ".join(str(error).split()) or f"no answer within {PATIENCE:g} s"
        hint = (
            "check its key"
            if "401" in what or "403" in what
            else "is the server running, and the address right?"
        )
        _bad(f"{where}: {without_password(what)}", hint)
        return False
    took = time.monotonic() - started
    missing = sorted(model for model in used if model not in listed and f"{model}:latest" not in listed)
    _good(f"{where}: {len(listed)} models in {took * 1000:.0f} ms")
    for model in missing:
        _bad(f"{endpoint.name} does not list {model!r}", "`moa models --all` prints what it lists")
    return not missing


def _good(text: str) -> None:
    click.echo(click.style("✓ ", fg="green") + text)


def _note(text: str) -> None:
    click.echo(click.style("· ", dim=True) + text)


def _bad(text: str, hint: str | None = None) -> None:
    click.echo(click.style("✗ ", fg="red") + text)
    if hint:
        click.echo(click.style(f"  hint: {hint}", fg="cyan"))
