"""`moa chat`: a conversation with an ensemble."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path

import click

from moakit.cli import report
from moakit.cli.ask import answer_live
from moakit.cli.options import chosen, ensemble_options, loaded, sampling
from moakit.errors import MoaError
from moakit.types import Message

HELP = "/new begins a new conversation, /exit or Ctrl-D ends"


@click.command()
@ensemble_options
def chat(
    *,
    ensemble: str | None,
    proposers: tuple[str, ...],
    aggregator: str | None,
    layers: int | None,
    deadline: float | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    config_file: Path | None,
) -> None:
    """Talk with an ensemble; it remembers the conversation."""
    config = loaded(config_file, quiet=bool(proposers or aggregator))
    layer = chosen(
        config,
        ensemble=ensemble,
        proposers=proposers,
        aggregator=aggregator,
        layers=layers,
        deadline=deadline,
    )
    with contextlib.suppress(ImportError):
        # Line editing and history, where the system has it.
        importlib.import_module("readline")
    click.secho(f"{layer.title or 'an ensemble of your own'} · {HELP}", err=True, dim=True)
    head: list[Message] = [{"role": "system", "content": system}] if system else []
    messages = list(head)
    while True:
        text = _read()
        if text is None or text in ("/exit", "/quit"):
            return
        if text == "/new":
            messages = list(head)
            click.secho("a new conversation", err=True, dim=True)
        elif text.startswith("/"):
            click.secho(f"there is no {text.split()[0]}: {HELP}", err=True, dim=True)
        elif text:
            asked: list[Message] = [*messages, {"role": "user", "content": text}]
            try:
                answer = answer_live(layer, asked, sampling(temperature, max_tokens))
            except KeyboardInterrupt:
                # The view has said that it was stopped; the conversation goes on without the question.
                continue
            except MoaError as error:
                # The conversation goes on as if the question had not been asked.
                report(error)
            else:
                messages = [*asked, {"role": "assistant", "content": answer.text}]


def _read() -> str | None:
    try:
        return input("\n› " if sys.stdin.isatty() else "").strip()  # noqa: RUF001 - a prompt sign
    except EOFError:
        return None
    except KeyboardInterrupt:
        return ""
