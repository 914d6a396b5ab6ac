"""`moa ask`: one question, one answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from moakit.cli.options import chosen, ensemble_options, loaded, sampling, text_typed
from moakit.config.references import references_from
from moakit.errors import InvalidRequest
from moakit.layers import Layer
from moakit.types import Answer, Message, Response


@click.command()
@click.argument("prompt", nargs=-1, callback=text_typed)
@ensemble_options
@click.option(
    "--references",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="References to read instead of asking proposers; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
def ask(
    prompt: str,
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
    files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Ask an ensemble a question.

    What comes on standard input is added to the PROMPT. On a terminal the proposers are shown at work and the
    answer streams; into a pipe goes the answer's text alone. A FILE of references is a JSON list of texts or
    of objects with `output` (or one a line), or an answer that --json printed.
    """
    messages = _messages(prompt, system)
    references = references_from(*files, prompt=messages) if files else None
    config = loaded(config_file, quiet=as_json or bool(proposers or aggregator))
    layer = chosen(
        config,
        ensemble=ensemble,
        proposers=proposers,
        aggregator=aggregator,
        layers=layers,
        deadline=deadline,
    )
    parameters = sampling(temperature, max_tokens)
    if as_json:
        answer = layer(messages, references=references, **parameters)
        told = {**msgspec.structs.asdict(answer), "agreement": answer.agreement, "dissent": answer.dissent}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    elif sys.stdout.isatty():
        answer_live(layer, messages, parameters, references)
    else:
        _answer_plainly(layer, messages, parameters, references)


def answer_live(
    layer: Layer,
    messages: list[Message],
    parameters: dict[str, Any],
    references: Sequence[Response] | None = None,
) -> Answer:
    """Show a run on the terminal and return its answer."""
    from moakit.observe.terminal import TerminalView

    view = TerminalView()
    with layer.stream(messages, proposers=True, references=references, **parameters) as stream:
        try:
            for event in stream:
                view.take(event)
        except KeyboardInterrupt:
            view.stop()
            raise
        finally:
            view.close()
        return stream.answer


def _answer_plainly(
    layer: Layer,
    messages: list[Message],
    parameters: dict[str, Any],
    references: Sequence[Response] | None,
) -> None:
    last = "\n"
    with layer.stream(messages, references=references, **parameters) as stream:
        try:
            for text in stream.text:
                click.echo(text, nl=False)
                last = text[-1:] or last
        finally:
            # Whatever comes next, an error too, begins on a line of its own.
            if last != "\n":
                click.echo()
        for call in stream.answer.failures:
            click.echo(f"warning: without {call.message}", err=True)


def _messages(prompt: str, system: str | None) -> list[Message]:
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().strip()
    text = "\n\n".join(part for part in (prompt, piped) if part)
    if not text:
        raise InvalidRequest("there is no prompt", hint='moa ask "Why is the sky dark at night?"')
    head: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*head, {"role": "user", "content": text}]
