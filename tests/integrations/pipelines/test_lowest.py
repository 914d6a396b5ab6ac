"""What Pipelines pins is all the plugins may need."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest

from tests.integrations.pipelines.loading import HOME

NEW_IN_AIOHTTP_3_10 = {"ClientConnectorDNSError", "ClientConnectionResetError", "SocketTimeoutError",
                       "ConnectionTimeoutError"}  # fmt: skip


def test_no_name_is_used_that_aiohttp_3_9_5_does_not_have():
    used = {
        node.attr
        for file in HOME.parent.glob("models/*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "aiohttp"
    }
    assert used, "they are looked for in the right place"
    assert all(hasattr(aiohttp, name) for name in used)
    assert not used & NEW_IN_AIOHTTP_3_10


def test_the_core_allows_the_pinned_aiohttp():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert "aiohttp>=3.9.5" in project["dependencies"]


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "genai_prices"])
def test_the_server_within_the_plugin_needs_no_extra(module):
    code = f"import sys; sys.modules[{module!r}] = None; import moakit.server.chat, moakit.server.health"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
