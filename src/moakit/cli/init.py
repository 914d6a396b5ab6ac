"""`moa init`: a first `moa.toml`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from moakit.config import dotenv
from moakit.config.article import to_config
from moakit.config.discovery import discovered
from moakit.config.files import FILE, environment
from moakit.config.writing import to_toml
from moakit.errors import ConfigError

HEADER = """\
# moakit: every key is described in docs/configuration.md
# `moa show` prints what this makes, `moa doctor` checks that it works.

"""


@click.command()
@click.option(
    "--from-env",
    "env_file",
    type=click.Path(path_type=Path),
    help="A .env of the Open WebUI pipelines article.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(FILE),
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def init(*, env_file: Path | None, output: Path, force: bool) -> None:
    """Write a moa.toml over the keys and local servers that are found.

    With --from-env, the equivalent of that file; keys stay in it, the moa.toml only names them.
    """
    if output.exists() and not force:
        raise ConfigError(f"{output} exists", hint="--force replaces it, --output writes another")
    if env_file is not None:
        if not env_file.is_file():
            raise ConfigError(f"there is no file {env_file}")
        environ = dotenv.read(env_file, os.environ) | dict(os.environ)
        data = to_config(environ)
        if not data["ensembles"]:
            raise ConfigError(
                f"{env_file} sets neither GROQ_MODEL_AGGREGATE nor OLLAMA_MODEL_AGGREGATE",
                hint="without --from-env, `moa init` uses what it finds",
            )
        notes = [f"keys are still read from {env_file}, which has to lie beside {output} as .env"]
    else:
        data, notes, _ = discovered(environment([Path.cwd()]))
    try:
        output.write_text(HEADER + to_toml(data), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from error
    for note in notes:
        click.secho(note, err=True, dim=True)
    click.echo(f"wrote {output}: {', '.join(data['ensembles'])}", err=True)
