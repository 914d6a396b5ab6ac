"""Commands that set up or maintain a checkout, checked word by word: what they name has to exist.

They install packages or run for minutes, so they are not run here; CI runs `make`.
"""

import re
import shlex
import tomllib

import click

from moakit.cli import moa
from tests.docs.markdown import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = frozenset(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
VARIABLES = frozenset(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE))
EXTRAS = frozenset(PYPROJECT["project"]["optional-dependencies"])
KNOWN = (
    *PYPROJECT["project"]["dependencies"],
    *(name for extra in PYPROJECT["project"]["optional-dependencies"].values() for name in extra),
    *(name for group in PYPROJECT["dependency-groups"].values() for name in group),
)
PACKAGES = frozenset(re.split(r"[\[<>=; ]", requirement)[0] for requirement in KNOWN)
PIP = frozenset({"--require-hashes", "--no-build-isolation", "--no-deps", "--upgrade", "-e", "-r", "-q"})
PYTHON = re.compile(r"(.*/)?python3?(\.\d+)?|py")


def checked_commands(text: str) -> str:
    """Return what is wrong with the first command that is not as it should be, else an empty string."""
    for line in text.split("\n"):
        for command in re.split(r" && | ; ", line):
            if wrong := _checked(command):
                return f"`{command.strip()}`: {wrong}"
    return ""


def _checked(command: str) -> str:
    # PowerShell writes paths with backslashes and sets variables in its own way.
    command = re.sub(r'^\$env:(\w+) = ("[^"]*")$', r"export \1=\2", command.strip())
    words = shlex.split(command.replace("\\", "/"), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]) and len(words) > 1:
        words = words[1:]
    if not words:
        return ""
    name, *rest = words
    if PYTHON.fullmatch(name):
        return _python([word for word in rest if word != "-3"])
    for pattern, check in (
        (r"make", _make),
        (r"(.*/)?pip3?", _pip),
        (r"(.*/)?moa", _moa),
        (r"ruff|mypy|lint-imports", lambda _: "" if f"/{name}" in MAKEFILE else "make does not run it"),
        (r"git", lambda rest: "" if rest[0] == "clone" and rest[1].startswith("https://") else "not a clone"),
        (r"cd|export|source|\.|(.*/)?Activate\.ps1", lambda _: ""),
    ):
        if re.fullmatch(pattern, name):
            return check(rest)
    return "" if (ROOT / name).is_file() else "nothing is known about this command"


def _make(words: list[str]) -> str:
    for word in words:
        variable, equals, _ = word.partition("=")
        if equals and variable not in VARIABLES:
            return f"the Makefile has no variable {variable}"
        if not equals and word not in TARGETS:
            return f"the Makefile has no target {word}"
    return ""


def _python(words: list[str]) -> str:
    if words[:1] != ["-m"]:
        return _paths(words[:1])
    module, rest = words[1], words[2:]
    if module == "venv":
        return ""
    if module == "pip":
        return _pip(rest)
    if module == "pytest":
        return _paths([word for word in rest if "/" in word])
    return _paths([module.replace(".", "/")])


def _pip(words: list[str]) -> str:
    if words[:1] != ["install"]:
        return "only `pip install` is known"
    before = ""
    for word in words[1:]:
        if before == "-r":
            if wrong := _paths([word]):
                return wrong
        elif match := re.fullmatch(r"(?:\.|moakit)\[([\w,]+)\]", word):
            if unknown := set(match[1].split(",")) - EXTRAS:
                return f"pyproject.toml has no extra {min(unknown)}"
        elif word not in PIP and word != "." and word not in PACKAGES:
            return f"{word} is neither an option known here nor a package pyproject.toml names"
        before = word
    return ""


def _moa(words: list[str]) -> str:
    if not words:
        return ""
    context = click.Context(moa, info_name="moa", **moa.context_settings)
    command = moa.get_command(context, words[0])
    if command is None:
        return f"there is no command {words[0]}"
    try:
        command.make_context(words[0], list(words[1:]), parent=context)
    except click.UsageError as error:
        return error.message
    return ""


def _paths(words: list[str]) -> str:
    return next((f"there is no {word}" for word in words if not (ROOT / word).exists()), "")
