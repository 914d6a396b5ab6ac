"""`moa openwebui connect` against the running Open WebUI."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import ChatPage
from tests.e2e.setting import CONFIG, QUESTION, dialect_url, environ
from tests.processes import moa
from tests.server.serving import Served
from tests.upstream import Upstream

Connect = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def connect(site: OpenWebUI, served: Served, up: Upstream, tmp_path: Path) -> Connect:
    """The command, in a folder with the running server's configuration; nothing is connected yet."""
    site.connect()
    (tmp_path / "moa.toml").write_text(f"{CONFIG}port = {served.port}\n")

    def run(*arguments: str) -> "CompletedProcess[str]":
        command = ["openwebui", "connect", site.url, "--token", site.token, *arguments]
        done = moa(*command, home=tmp_path, **environ(up))
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_connect_sets_up_the_connection_and_chats_work(
    connect: Connect, chat: ChatPage, site: OpenWebUI, served: Served, up: Upstream
) -> None:
    assert "is set up in Open WebUI" in connect().stdout
    assert "panel" in site.models()
    chat.open("panel").ask(QUESTION)
    chat.settled(up, tasks=3)
    chat.shows("3 Sources")
    assert len(up.calls) == 4 + 3
    assert site.api("GET", "/openai/config")["OPENAI_API_BASE_URLS"] == [dialect_url(served)]


def test_connect_again_changes_nothing_and_keeps_other_connections(
    connect: Connect, site: OpenWebUI, served: Served
) -> None:
    site.connect("http://127.0.0.1:1/v1")
    connect()
    assert "as it should be already" in connect().stdout
    known = site.api("GET", "/openai/config")["OPENAI_API_BASE_URLS"]
    assert known == ["http://127.0.0.1:1/v1", dialect_url(served)]


def test_connect_with_function_installs_it_ready_to_use(
    connect: Connect, chat: ChatPage, site: OpenWebUI
) -> None:
    try:
        assert "the Function moakit is set up" in connect("--function").stdout
        assert "as it should be already" in connect("--function").stdout
        assert "moakit.panel" in site.models()
        chat.open("moakit.panel").ask(QUESTION)
        chat.finished()
        chat.shows("3 Sources")
    finally:
        site.api("DELETE", "/api/v1/functions/id/moakit/delete")


def test_connect_takes_an_administrators_api_key(connect: Connect, site: OpenWebUI, served: Served) -> None:
    settings = site.api("GET", "/api/v1/auths/admin/config")
    site.api("POST", "/api/v1/auths/admin/config", {**settings, "ENABLE_API_KEYS": True})
    key = site.api("POST", "/api/v1/auths/api_key")["api_key"]
    assert key.startswith("sk-")
    assert "is set up in Open WebUI" in connect("--token", key).stdout
    assert "panel" in site.models()
