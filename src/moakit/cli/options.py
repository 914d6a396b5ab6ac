"""The options that several commands share, and what they choose."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from moakit.config import Config, load
from moakit.config.changes import changed
from moakit.layers import Layer

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file [default: as found].",
)


def text_typed(
    _ctx: click.Context, _option: click.Parameter, value: str | tuple[str, ...] | None
) -> str | None:
    """Return what was typed, as one text, with every byte that is not text replaced."""
    if isinstance(value, tuple):
        value = " ".join(value)
    return None if value is None else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def ensemble_options(command: F) -> F:
    """Add the options that choose or make an ensemble."""
    for option in reversed(
        (
            click.option("-e", "--ensemble", metavar="NAME", help="An ensemble of the configuration."),
            click.option(
                "-p",
                "--proposer",
                "proposers",
                multiple=True,
                metavar="MODEL",
                help="A proposer; repeatable.",
            ),
            click.option(
                "-a", "--aggregator", metavar="MODEL", help="The aggregator [default: the first proposer]."
            ),
            click.option(
                "--layers", type=click.IntRange(min=2), help="Depth with the aggregator [default: 2]."
            ),
            click.option(
                "--deadline",
                type=click.FloatRange(min=0, min_open=True),
                metavar="SECONDS",
                help="The longest the run may take.",
            ),
            click.option("-s", "--system", metavar="TEXT", callback=text_typed, help="A system prompt."),
            click.option(
                "-t",
                "--temperature",
                type=click.FloatRange(0, 2),
                metavar="NUMBER",
                help="The final layer's temperature.",
            ),
            click.option(
                "--max-tokens",
                type=click.IntRange(min=1),
                metavar="TOKENS",
                help="The longest answer, in tokens.",
            ),
            config_option,
        )
    ):
        command = option(command)
    return command


def chosen(
    config: Config,
    *,
    ensemble: str | None,
    proposers: Sequence[str],
    aggregator: str | None,
    layers: int | None,
    deadline: float | None,
) -> Layer:
    """Return the ensemble the options ask for."""
    if proposers or aggregator:
        if ensemble:
            raise click.UsageError("-e names an ensemble, -p and -a make one: use either")
        team = list(proposers) or [str(aggregator)]
        for model in (*team, aggregator or team[0]):
            # What was typed has no path in a file: an unknown name is told as it is.
            config.model(model)
        made: dict[str, Any] = {"proposers": team, "aggregator": aggregator or team[0]}
        made |= {"layers": layers} if layers else {}
        made |= {"deadline": deadline} if deadline else {}
        return config.agent(made)
    layer = config[ensemble or config.default]
    changes = {name: value for name, value in (("layers", layers), ("deadline", deadline)) if value}
    if not changes:
        return layer
    return config.agent(changed(layer.to_config(), changes))


def sampling(temperature: float | None, max_tokens: int | None) -> dict[str, Any]:
    """Return the sampling that was asked for."""
    given = {"temperature": temperature, "max_tokens": max_tokens}
    return {name: value for name, value in given.items() if value is not None}


def loaded(config_file: Path | None, *, quiet: bool = False) -> Config:
    """Return the configuration, telling on a terminal what was discovered."""
    config = load(config_file)
    if config.source == "discovery" and not quiet and sys.stderr.isatty():
        for note in config.notes:
            click.secho(note, err=True, dim=True)
    return config
