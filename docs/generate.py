"""Write the generated parts of the documentation; with --check, fail when they are stale.

    python docs/generate.py

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of generated -->`; NAME is a function
below.
"""
# ruff: noqa: INP001 - a script, run from a checkout

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import runpy
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import click

import moakit
from moakit.cli import moa
from moakit.config import reference
from moakit.config.schema import ServerConfig
from moakit.models.providers import PROVIDERS
from moakit.policies.admission import Overloaded
from moakit.server import bounds, connections, openapi, requests
from moakit.server.replies import failure_of

DOCS = Path(__file__).parent
SCHEMA = DOCS / "moa.schema.json"
OPENAPI = DOCS / "openapi.json"
GALLERY = DOCS.parent / "examples/gallery.py"
WIDTH = 88
_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def configuration() -> str:
    """Every key of `moa.toml`."""
    return reference.markdown()


def settings() -> str:
    """The settings of waiting and failing."""
    return reference.settings_table()


def providers() -> str:
    """The built-in providers."""
    rows = [
        [f"`{name}`", endpoint.base_url, f"`{endpoint.key_variable}`" if endpoint.key_variable else "–"]
        for name, endpoint in PROVIDERS.items()
    ]
    return _table(["name", "address", "key"], rows)


def commands() -> str:
    """The help of every command."""
    group = click.Context(moa, info_name="moa", terminal_width=WIDTH, **moa.context_settings)
    parts = [f"```text\n{moa.get_help(group)}\n```"]
    return "\n\n".join([*parts, *_of_group(moa, group)])


def _of_group(commands: click.Group, group: click.Context) -> list[str]:
    parts = []
    for name in commands.list_commands(group):
        command = commands.get_command(group, name)
        if command is None:
            raise LookupError(name)
        context = click.Context(command, info_name=name, parent=group, terminal_width=WIDTH)
        parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```")
        if isinstance(command, click.Group):
            parts += _of_group(command, context)
    return parts


def errors() -> str:
    """What a client of the server is told of each error."""
    call: dict[str, moakit.CallError] = {
        "the provider's rate limit": moakit.RateLimited("…"),
        "the prompt exceeds the model's window": moakit.ContextTooLong("…"),
        "a content filter refused": moakit.ContentFiltered("…"),
        "a timer of a call ran out": moakit.ModelTimeout("…", timer="total"),
        "the provider did not accept its key": moakit.AuthenticationFailed("…"),
        "the provider rejected the request (400, 422)": moakit.BadResponse("…", status=400),
        "any other answer that cannot be used": moakit.BadResponse("…", status=500),
        "an answer that is not in the JSON schema asked for": moakit.SchemaMismatch("…"),
        "no connection to the provider": moakit.ConnectionFailed("…"),
    }
    several = [moakit.RateLimited("…"), moakit.BadResponse("…", status=500)]
    found: dict[str, moakit.MoaError] = {
        "no such model": moakit.UnknownModel("model", "…"),
        "the request cannot be understood": moakit.InvalidRequest("…"),
        **call,
        "too few proposals, all for one reason": moakit.NotEnoughResponses("…", [moakit.RateLimited("…")]),
        "too few proposals, for several": moakit.NotEnoughResponses("…", several),
        "the run's deadline": moakit.DeadlineExceeded("…"),
        "no place, and none in time": Overloaded("…", retry_after=1),
        "the ensemble's budget": moakit.BudgetExceeded("…"),
        "the key's budget": moakit.BudgetExceeded("…", shared=True),
    }
    rows = []
    for what, error in found.items():
        failure = failure_of(error)
        code = f"`{failure.code}`" if failure.code else "–"
        again = "–" if failure.should_retry is None else f"`{str(failure.should_retry).lower()}`"
        name = f"`{type(error).__name__}`"
        if "for one reason" in what:
            rows.append([what, name, "that reason's", "that reason's", "that reason's"])
        else:
            rows.append([what, name, str(failure.status), code, again])
    return _table(["what happened", "error", "status", "`code`", "`x-should-retry`"], rows)


def limits() -> str:
    """What one request may ask for."""
    server = ServerConfig()
    rows = [
        ["the request", f"{server.max_body:,} bytes", "413", "`max_body`"],
        ["its headers", f"{connections.MOST_HEAD:,} bytes", "431", "–"],
        ["the time it takes to arrive", f"{requests.BODY_TIMEOUT:g} s", "408", "–"],
        ["messages", f"{bounds.MOST_MESSAGES:,}", "400", "–"],
        [
            "the prompt with its tools, estimated at 4 bytes a token and 800 tokens an image",
            f"{server.max_prompt_tokens:,} tokens", "400", "`max_prompt_tokens`",
        ],
        ["`tools`", str(bounds.MOST_TOOLS), "400", "–"],
        ["`stop`", str(bounds.MOST_STOPS), "400", "–"],
        ["`n`", str(bounds.MOST_CHOICES), "400", "–"],
        ["`max_tokens`", f"{bounds.MOST_OUTPUT:,}", "400", "–"],
        ["calls of a changed ensemble", str(server.max_calls), "400", "`max_calls`"],
        ["`moa.deadline`", f"{server.max_deadline:g} s", "400", "`max_deadline`"],
        ["`moa.retries`", str(bounds.MOST_RETRIES), "400", "–"],
        ["agents in a `fallback`", str(bounds.MOST_FALLBACKS), "400", "–"],
        ["nesting of the JSON", f"{bounds.MOST_NESTING} levels", "400", "–"],
    ]  # fmt: skip
    return _table(["what", "at most", "beyond it", "set by"], rows)


def names() -> str:
    """Every public name, with the first sentence of its documentation."""
    rows = [[f"`{name}`", _first_sentence(name)] for name in sorted(moakit.__all__, key=str.lower)]
    return _table(["name", "what it is"], rows)


def gallery() -> str:
    """Every variant of the gallery: what it is, and what a run is planned to take."""
    rows = []
    for name, make in _variants().items():
        title, _, what = inspect.cleandoc(make.__doc__ or "").partition(": ")
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        table = make().summary()
        rows.append(
            [f"[{title}](#{anchor})", what.rstrip("."), str(table.calls), str(table.steps), f"`{name}`"]
        )
    return _table(["variant", "what it does", "calls", "steps", "in the example"], rows)


def _variant(name: str) -> str:
    """Return one variant: its code as a reader would write it, its cost, its picture."""
    ensemble = _variants()[name]()
    table = ensemble.summary()
    cost = f"{table.calls} calls in {table.steps} step{'' if table.steps == 1 else 's'}."
    picture = f"```mermaid\n{ensemble.to_mermaid()}\n```"
    return f"```python\n{_statements(name)}\n```\n\n{cost}\n\n{picture}"


@cache
def _variants() -> Mapping[str, Callable[[], moakit.Layer]]:
    """Return what makes each variant, on the demo models: no key of whoever runs this chooses others."""
    environ = dict(os.environ)
    os.environ.clear()
    try:
        found: Mapping[str, Callable[[], moakit.Layer]] = runpy.run_path(str(GALLERY))["VARIANTS"]
    finally:
        os.environ.update(environ)
    return found


@cache
def _statements(name: str) -> str:
    """Return the body of an example's function, with what it returns under the function's name."""
    text = GALLERY.read_text(encoding="utf-8")
    function = next(
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    body = "\n".join(text.split("\n")[function.body[1].lineno - 1 : function.end_lineno])
    return re.sub(r"^return ", f"{name} = ", textwrap.dedent(body), flags=re.MULTILINE)


PARTS: Mapping[str, Callable[[], str]] = {
    part.__name__: part
    for part in (configuration, settings, providers, commands, errors, limits, names, gallery)
} | {f"gallery-{name}": partial(_variant, name) for name in _variants()}
# Names without a class or function of their own, which have no docstring at run time.
_ALIASES = {
    "Event": "Any of the events.",
    "Message": "One message in OpenAI's chat format: a plain mapping.",
    "Prompt": "The conversation: a sequence of messages, oldest first.",
}


def _first_sentence(name: str) -> str:
    if name in _ALIASES:
        return _ALIASES[name]
    text = " ".join((inspect.getdoc(getattr(moakit, name)) or "").split("\n\n")[0].split())
    if not text:
        raise LookupError(f"{name} has no docstring")
    return re.split(r"(?<=\.) (?=[A-Z`])", text)[0].replace("|", "\\|")


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def generated(page: str) -> str:
    """Return a page with its generated parts as they should be."""
    return _PART.sub(lambda match: f"{match[1]}{PARTS[match['name']]()}\n{match[3]}", page)


def main() -> int:
    """Rewrite what is stale, or with --check name it."""
    wanted = {path: generated(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.md"))}
    for path, data in ((SCHEMA, reference.json_schema()), (OPENAPI, openapi.document())):
        wanted[path] = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    check = "--check" in sys.argv[1:]
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
        sys.stdout.write(f"{'stale' if check else 'wrote'}: docs/{path.name}\n")
    if check and stale:
        sys.stderr.write("hint: python docs/generate.py\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
