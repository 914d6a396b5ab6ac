"""`moa openwebui`: the ensembles in Open WebUI's list of models."""

from __future__ import annotations

import json
import os
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

import click

from moakit.cli.options import config_option
from moakit.config import load
from moakit.config.files import environment, find
from moakit.errors import ConfigError
from moakit.integrations.openwebui_admin import HEADERS, OpenWebUI, function_form, function_source

VARIABLE = "MOA_SERVER_KEY"
DOCKER = "host.docker.internal"
FILES = {"py": "openwebui_function.py", "json": "openwebui_function.json"}


class _Server(NamedTuple):
    """Where our server is, the key to use, whether it was made just now, whether it is asked for."""

    url: str
    key: str
    made: bool
    asked: bool


@click.group()
def openwebui() -> None:
    """Use the ensembles in Open WebUI."""


@openwebui.command()
@click.option("-o", "--output", default=".", show_default=True, help="A folder; - is standard output.")
@click.option("--format", "form", type=click.Choice(["json", "py"]), help="One of the two alone.")
def export(*, output: str, form: str | None) -> None:
    """Write the Function: the file itself, and as the list that Open WebUI imports.

    Import it at Admin Panel > Functions > Import.
    """
    texts = {
        "py": function_source(),
        "json": json.dumps([function_form()], indent=2, ensure_ascii=False) + "\n",
    }
    if output == "-":
        click.echo(texts[form or "json"], nl=False)
        return
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (form,) if form else tuple(texts):
            file = folder / FILES[name]
            file.write_text(texts[name], encoding="utf-8", newline="\n")
            click.echo(file)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


@openwebui.command()
@click.argument("url", required=False)
@click.option("--token", envvar="OPEN_WEBUI_TOKEN", help="An administrator's API key of Open WebUI.")
@click.option("--function", is_flag=True, help="Install the Function instead of a connection.")
@click.option("--host-name", metavar="NAME", help="The name under which Open WebUI reaches this machine.")
@config_option
def connect(
    *, url: str | None, token: str | None, function: bool, host_name: str | None, config_file: Path | None
) -> None:
    """Connect Open WebUI with this server.

    With the URL of a running Open WebUI and a token it is set up there; its other connections stay. Without,
    what to paste is printed. A server key is made when there is none.
    """
    if url is not None and not token:
        raise click.UsageError("a URL needs --token, or OPEN_WEBUI_TOKEN in the environment")
    if url is None and function:
        raise click.UsageError(
            "--function needs the URL of Open WebUI; `moa openwebui export` writes the file"
        )
    server = _server(config_file, host_name)
    if url is None or token is None:
        _print_settings(server)
    else:
        _set_up(OpenWebUI(url, token), server, function=function)
    _tell_of_key(server)
    if url is None:
        _tell_of_containers(server)


def _server(config_file: Path | None, host_name: str | None) -> _Server:
    file = config_file or find()
    folders = [Path.cwd()] if file is None else [Path.cwd(), file.resolve().parent]
    known = environment(folders).get(VARIABLE)
    made = f"moa-{secrets.token_urlsafe(24)}"
    if not known:
        # A moa.toml that names the variable is not to be refused for want of what is made here.
        os.environ[VARIABLE] = made
    config = load(config_file)
    key = config.server_keys[0].key if config.server_keys else known or made
    host = host_name or config.server.host
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else host  # noqa: S104 - not bound
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{config.server.port}/openwebui/v1"
    return _Server(address, key, made=key == made, asked=bool(config.server_keys))


def _print_settings(server: _Server) -> None:
    headers = json.dumps(HEADERS)
    environ = {
        "OPENAI_API_BASE_URLS": server.url,
        "OPENAI_API_KEYS": server.key,
        "OPENAI_API_CONFIGS": json.dumps({"0": {"enable": True, "headers": HEADERS}}),
    }
    click.echo("In Open WebUI: Admin Panel > Settings > Connections > OpenAI API > +\n")
    click.echo(f"URL      {server.url}")
    click.echo(f"Key      {server.key}")
    click.echo(f"Headers  {headers}\n")
    click.echo("The headers are optional. Or, for a fresh Open WebUI, in a compose file:\n")
    click.echo("    environment:")
    for name, value in environ.items():
        # JSON is YAML; a dollar sign would name a variable there.
        click.echo(f"      {name}: {json.dumps(value).replace('$', '$$')}")


def _set_up(there: OpenWebUI, server: _Server, *, function: bool) -> None:
    if function:
        changed = there.install({"BASE_URL": server.url, "API_KEY": server.key})
        what = "the Function moakit"
    else:
        changed = there.connect(server.url, server.key)
        what = f"the connection to {server.url}"
    click.echo(f"{what} is {'set up' if changed else 'as it should be already'} in Open WebUI at {there.url}")
    problem = there.reaches(server.url, server.key)
    if problem is not None:
        click.secho(f"warning: Open WebUI does not reach {server.url} yet: {problem}", err=True, fg="yellow")
        click.secho("hint: start `moa serve`, with the key below if one was made", err=True, fg="cyan")
        _tell_of_containers(server)


def _tell_of_key(server: _Server) -> None:
    if server.asked and not server.made:
        return
    lines = []
    if server.made:
        lines += ["", "A server key was made. Put it into .env:", "", f"    {VARIABLE}={server.key}"]
    if not server.asked:
        lines += ["", "Have the server ask for it, in moa.toml:", ""]
        lines += ["    [server]", f'    keys = ["${{{VARIABLE}}}"]']
    click.echo("\n".join(lines), err=True)


def _tell_of_containers(server: _Server) -> None:
    if "//127.0.0.1:" not in server.url and "//[::1]:" not in server.url:
        return
    click.secho(
        f"\nhint: from a container 127.0.0.1 is the container itself: --host-name {DOCKER} (on Linux with "
        f'extra_hosts: ["{DOCKER}:host-gateway"]) or --host-name {socket.gethostname()}, and '
        "`moa serve --host 0.0.0.0`",
        err=True,
        fg="cyan",
    )
