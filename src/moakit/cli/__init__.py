"""The command line: `moa`."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys

import click

from moakit import __version__
from moakit.errors import MoaError, NotEnoughResponses, UserError

COMMANDS = ("ask", "chat", "serve", "models", "show", "init", "doctor", "openwebui", "demo-server")
FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes: the run failed; the command line or the configuration is wrong; interrupted. 0 is success."""


class _Commands(click.Group):
    """Loads a command's file when it is used, so that `moa --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"moakit.cli.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has left, which is its right; nothing more can be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="moakit")
def moa() -> None:
    """Mixture of Agents: several models answer, one writes the final answer.

    Exit codes: 0 success, 1 the run failed, 2 wrong usage or configuration, 130 interrupted.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING, stream=sys.stderr)


def main() -> None:
    """Run the command line; errors are one line and a hint on standard error."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What is not text, and what this terminal does not know, is replaced and no error.
            stream.reconfigure(errors="replace")
    try:
        code = moa(prog_name="moa", standalone_mode=False) or 0
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = MISUSED
    except click.ClickException as error:
        _report(error.format_message(), _usage_hint(error))
        code = MISUSED
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except MoaError as error:
        report(error)
        code = MISUSED if isinstance(error, UserError) else FAILED
    sys.exit(code if isinstance(code, int) else 0)


def _usage_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return None if context is None else f"{context.command_path} --help"


def _report(message: str, hint: str | None) -> None:
    click.secho(f"error: {message}", err=True, fg="red")
    if hint:
        click.secho(f"hint: {hint}", err=True, fg="cyan")


def report(error: MoaError) -> None:
    """Write an error to standard error: what happened, every cause, what to do."""
    if isinstance(error, NotEnoughResponses):
        click.secho(f"error: {error.message}", err=True, fg="red")
        for cause in error.exceptions:
            model, what = getattr(cause, "model", ""), getattr(cause, "message", None) or str(cause)
            click.echo(f"  {model}: {what}" if model else f"  {what}", err=True)
        hints = {cause.hint for cause in error.exceptions if isinstance(cause, MoaError) and cause.hint}
        for hint in sorted(hints):
            click.secho(f"hint: {hint}", err=True, fg="cyan")
        return
    model = getattr(error, "model", "")
    _report(f"{model}: {error.message}" if model else error.message, error.hint)
