"""A server and an upstream for the Function, and the Function as Open WebUI loads it."""

import __future__

import re
import sys
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import moakit
from tests.server.hosting import configured, hosted
from tests.server.serving import KEY, Served
from tests.upstream import Upstream

FILE = Path(moakit.__file__).parent / "integrations" / "openwebui_function.py"
REPLACED = ("from utils", "from apps", "from main", "from config")
"""What Open WebUI rewrites in a Function's text before it runs it."""


def front_matter(content: str) -> dict[str, str]:
    """Read the front matter as Open WebUI does."""
    lines = content.splitlines()
    found: dict[str, str] = {}
    if lines[0].strip() != '"""':
        return found
    for line in lines[1:]:
        if '"""' in line:
            break
        if match := re.match(r"^\s*([a-z_]+):\s*(.*)\s*$", line, re.IGNORECASE):
            found[match[1].strip()] = match[2].strip()
    return found


def loaded(content: str) -> types.ModuleType:
    """Run a Function's text as Open WebUI does: in a module that is in nobody's list once it has run."""
    assert not any(text in content for text in REPLACED)
    module = types.ModuleType(f"function_moakit_{uuid.uuid4().hex}")
    sys.modules[module.__name__] = module
    try:
        # The file that runs it there has this flag, and `exec` hands it on.
        code = compile(content, "<string>", "exec", flags=__future__.annotations.compiler_flag)
        exec(code, module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


class Emitter:
    """What a chat's event emitter was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any]) -> None:
        self.told.append(event)

    @property
    def statuses(self) -> list[str]:
        return [event["data"]["description"] for event in self.told if event["type"] == "status"]

    @property
    def sources(self) -> list[str]:
        return [event["data"]["source"]["name"] for event in self.told if event["type"] == "source"]


@pytest.fixture(scope="session")
def _upstream() -> Iterator[Upstream]:
    with Upstream.in_thread() as upstream:
        yield upstream


@pytest.fixture
def up(_upstream: Upstream) -> Iterator[Upstream]:
    _upstream.behaves.clear()
    _upstream.reset()
    yield _upstream
    _upstream.wait_idle()


@pytest.fixture(scope="session")
def server(_upstream: Upstream) -> Iterator[Served]:
    lab = {
        "base_url": _upstream.base_url,
        "api_key": "k",
        "price": {"one": 1, "two": 2, "three": 3, "lead": 9},
    }
    with hosted(configured(_upstream, providers={"lab": lab})) as served:
        yield served


@pytest.fixture
def pipe(server: Served) -> Any:
    """The Function, set to the server."""
    made = loaded(FILE.read_text(encoding="utf-8")).Pipe()
    base = server.base_url.replace("/v1", "/openwebui/v1")
    made.valves = made.Valves(BASE_URL=base, API_KEY=KEY)
    return made


@pytest.fixture
def emit() -> Emitter:
    return Emitter()
