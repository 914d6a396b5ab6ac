"""One page, followed as a reader would: its blocks in order, in one folder, one shell, one Python.

`python` is executed; the blocks of a page share a namespace and may `await`, as in a notebook.

`text` is compared with what the Python block just before it printed; after an `sh` block with `make demo`,
with the live view of that run, whatever its figures. `…` stands for anything.

`console`: what follows `$ ` is run in a shell, what follows that line is compared with its output (`…` as
above). Exit code 0 is expected, another where the output shown has a line that begins with `error:`, `Usage:`
or `✗`. `moa serve` and `moa demo-server` go to the background, with or without `&`, until the next one on
that port or the end of the page, and have to end with exit code 0.

`toml` is loaded as a `moa.toml`, its variables made up, and checked against the JSON schema; `toml fragment`
holds keys of an ensemble. `dotenv` is loaded as the `.env` of the article, `json` is parsed.

`sh` and `powershell` install or maintain: their words are checked against the Makefile, pyproject.toml, the
command line and the files there are (commands.py).

A word with a dot in it after the language is a file: the block is written into the folder under that name,
for the blocks after it. Other words say what the reader has set up: `groq`, or any hosted provider's name, a
key; `ollama` a local server; `lab` the address of a provider of that name. Behind all of them stands
tests/upstream; no block reaches the internet.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import moakit
from moakit.config import dotenv
from moakit.config.article import to_config
from moakit.config.files import Config
from moakit.config.reference import json_schema
from moakit.models.providers import PROVIDERS, variable
from tests.docs.commands import checked_commands
from tests.docs.markdown import ROOT, Block, Page
from tests.docs.schema import violations
from tests.docs.shell import FreePorts, Shell, steps
from tests.docs.wildcards import difference, rough_difference

NOBODY = "http://127.0.0.1:9/v1"
"""Where nothing listens."""
FRAGMENT = """\
[ensembles.panel]
proposers = ["demo/planner", "demo/skeptic", "demo/storyteller"]
aggregator = "demo/editor"
"""
LIVE = "import sys; sys.stdout.isatty = lambda: True; from moakit.cli import main; main()"
"""The command line as on a terminal that knows no cursor, so that each part is printed once, as it ends."""


def environment(folder: Path, binaries: Path, upstream: str) -> dict[str, str]:
    """Return what a page's processes see: no keys, nobody at home, and the stand-in behind every address."""
    environ = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR", "TEMP") if name in os.environ}
    environ |= {
        "PATH": os.pathsep.join([str(binaries), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(Path(moakit.__file__).parents[1]), str(ROOT)]),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "COLUMNS": "120",
    }
    for name, endpoint in PROVIDERS.items():
        environ[variable(name, "_BASE_URL")] = NOBODY if endpoint.local else upstream
    # The article's names for addresses.
    return environ | {f"GROQ_API_BASE_{number}": upstream for number in range(1, 9)}


def set_up(words: tuple[str, ...], upstream: str) -> dict[str, str]:
    """Return the variables of a reader who has what these words name."""
    found: dict[str, str] = {}
    for word in words:
        if word in ("lab", "ollama"):
            found[variable(word, "_BASE_URL")] = upstream
        elif word in PROVIDERS and (key := PROVIDERS[word].key_variable):
            found[key] = "key-of-the-stand-in"
    return found


class Session:
    """Follows one page."""

    def __init__(self, folder: Path, binaries: Path, upstream: str, free_port: FreePorts) -> None:
        self.folder = folder
        self.upstream = upstream
        self.environ = environment(folder, binaries, upstream)
        self.shell = Shell(folder, self.environ, free_port)
        self.printed: str | None = None
        self.before: Block | None = None
        self._python: subprocess.Popen[str] | None = None

    def follow(self, page: Page) -> dict[Block, str]:
        """Return what is wrong with each block, empty where nothing is."""
        wrong: dict[Block, str] = {}
        try:
            for block in page.blocks():
                wrong[block] = self._one(block)
                self.before = block
        finally:
            ended = self.close()
        if ended and wrong:
            last = next(reversed(wrong))
            wrong[last] = "\n".join([wrong[last], *ended]).strip()
        return wrong

    def _one(self, block: Block) -> str:
        check = CHECKS.get(block.language)
        if check is None:
            return f"nothing checks a block of language {block.language!r}; known are {', '.join(CHECKS)}"
        unknown = [word for word in block.words if word not in (block.file, "fragment", "lab", *PROVIDERS)]
        if unknown:
            return f"nobody knows what {unknown[0]!r} means after {block.language}"
        if block.file:
            target = self.folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.shell.into(block.text), encoding="utf-8")
        try:
            return check(self, block)
        except Exception as error:  # noqa: BLE001  told beside the block
            return f"{type(error).__name__}: {error}"

    def python(self, block: Block) -> str:
        self.printed = None
        if block.file:
            compile(block.text, block.file, "exec")
            return ""
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("cell.py"))], cwd=self.folder, env=self.environ,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            )  # fmt: skip
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        request = {
            "code": self.shell.into(block.text),
            "place": str(block),
            "environ": set_up(block.words, self.upstream),
        }
        self._python.stdin.write(json.dumps(request) + "\n")
        self._python.stdin.flush()
        came = json.loads(self._python.stdout.readline())
        self.printed = self.shell.out(came["out"])
        return str(came["error"])

    def text(self, block: Block) -> str:
        before = self.before
        if before is not None and before.language == "sh" and "make demo" in before.text:
            return rough_difference(block.text, self._live_view())
        if before is None or before.language != "python" or self.printed is None:
            return "a text block shows what the Python block just before it prints; there is none"
        return difference(block.text, self.printed)

    def _live_view(self) -> str:
        """Return what `make demo` shows, without a terminal's colours."""
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        question = next(line for line in makefile.split("\n") if line.startswith("QUESTION ?= "))
        command = [sys.executable, "-c", LIVE, "ask", question.removeprefix("QUESTION ?= ")]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def console(self, block: Block) -> str:
        export = set_up(block.words, self.upstream)
        for command, shown in steps(block.text):
            came = self.shell.run(command, export=export)
            failure = shown is not None and any(
                line.startswith(("error:", "Usage:", "✗")) for line in shown.split("\n")
            )
            if (came.code != 0) is not failure and not command.startswith("echo $?"):
                return f"`{command}` ended with exit code {came.code}:\n{came.output}"
            if shown is not None and (said := difference(shown, came.output)):
                return f"`{command}` printed something else:\n{said}"
        return ""

    def toml(self, block: Block) -> str:
        return checked_toml(FRAGMENT + block.text if "fragment" in block.words else block.text)

    def dotenv(self, block: Block) -> str:
        environ = dotenv.parse(block.text, {}) | {"GROQ_API_BASE_1": self.upstream}
        data = to_config(environ)
        if not data["ensembles"]:
            return "" if environ else "there is no variable in it"
        Config(data, source=str(block), environ=environ)
        return ""

    def json(self, block: Block) -> str:
        json.loads(block.text)
        return ""

    def commands(self, block: Block) -> str:
        return checked_commands(block.text)

    def close(self) -> list[str]:
        """End everything that was started; return what went wrong."""
        if self._python is not None:
            assert self._python.stdin is not None
            assert self._python.stdout is not None
            self._python.stdin.close()
            self._python.stdout.close()
            self._python.wait(timeout=10)
        return self.shell.close()


CHECKS: Mapping[str, Callable[[Session, Block], str]] = {
    "python": Session.python,
    "text": Session.text,
    "console": Session.console,
    "toml": Session.toml,
    "dotenv": Session.dotenv,
    "json": Session.json,
    "sh": Session.commands,
    "powershell": Session.commands,
}


def checked_toml(text: str) -> str:
    """Return what is wrong with a `moa.toml`: it loads, gives one response, the schema allows it."""
    data = tomllib.loads(text)
    # Layers of the reader's own, which the page's Python has.
    own = [type(name, (_Own,), {}) for name in set(re.findall(r'^layer = "(\w+)"', text, re.MULTILINE))]
    config = Config(data, source="the page", environ=_Anything(), layers=own)
    for name, ensemble in config.items():
        if ensemble.shape(0) not in (1, None):
            return f"{name} does not end in one response"
    return "\n".join(violations(data, json_schema()))


class _Own(moakit.Layer):
    def __init__(self, **settings: Any) -> None:
        vars(self).update(settings)


class _Anything(dict[str, Any]):
    """An environment in which every `${VARIABLE}` has a value, and no provider an address of its own."""

    def get(self, name: str, default: Any = None) -> Any:
        return default if name.endswith("_BASE_URL") or name == "OLLAMA_HOST" else f"value of {name}"
