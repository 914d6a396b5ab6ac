"""Every test of the configuration runs in an empty folder, in an environment without keys and servers."""

import os

import pytest

from moakit.models.providers import PROVIDERS
from tests.processes import LOCAL


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, which is also the home."""
    for name in {"MOA_CONFIG", *(endpoint.key_variable or "" for endpoint in PROVIDERS.values())} - {""}:
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith(("GROQ_", "OLLAMA_"))]:
        monkeypatch.delenv(name)
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
