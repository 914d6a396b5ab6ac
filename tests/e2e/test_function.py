"""The Function: one file, imported by an administrator, instead of a connection."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

import moakit
from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import ChatPage
from tests.e2e.setting import ANSWER, PROPOSALS, QUESTION, dialect_url
from tests.server.serving import KEY, Served
from tests.upstream import Upstream

FILE = Path(moakit.__file__).parent / "integrations" / "openwebui_function.py"


@pytest.fixture(autouse=True)
def _imported(site: OpenWebUI, served: Served) -> Iterator[None]:
    """No connection, and the function imported, switched on and told where the server is."""
    site.connect()
    form = {
        "id": "moakit",
        "name": "moakit",
        "content": FILE.read_text(encoding="utf-8"),
        "meta": {"description": "Mixture of Agents"},
    }
    site.api("POST", "/api/v1/functions/create", form)
    site.api("POST", "/api/v1/functions/id/moakit/toggle")
    valves = {"BASE_URL": dialect_url(served), "API_KEY": KEY}
    site.api("POST", "/api/v1/functions/id/moakit/valves/update", valves)
    assert "moakit.panel" in site.models()
    yield
    site.api("DELETE", "/api/v1/functions/id/moakit/delete")


def test_a_chat_through_the_function_shows_what_the_plain_connection_shows(chat: ChatPage) -> None:
    chat.open("moakit.panel").ask(QUESTION)
    chat.shows("asking 3 proposers")
    chat.shows("lab/gemma-3-27b answered (2/3)")
    chat.finished()
    chat.shows("4 calls")
    chat.shows("3 Sources")
    chat.messages.get_by_text("Thought for").click()
    for proposal in PROPOSALS.values():
        chat.shows(proposal)
    chat.page.locator('button[id^="info-"]').hover()
    expect(chat.page.locator(".tippy-content")).to_contain_text("cost: 0.00")


def test_stop_ends_every_call_through_the_function(chat: ChatPage, up: Upstream) -> None:
    chat.open("moakit.patient").ask(QUESTION)
    chat.shows("answered (1/3)")
    calls = up.open
    assert {call.model for call in calls} == {"slow-one", "slow-two"}
    started = time.monotonic()
    chat.page.locator('button[aria-label*="Stop" i]').click()
    up.wait_idle(1)
    assert time.monotonic() - started < 1
    assert {call.status for call in calls} == {"aborted"}


def test_background_tasks_take_one_small_call_each_through_the_function(chat: ChatPage, up: Upstream) -> None:
    chat.open("moakit.panel").ask(QUESTION)
    chat.settled(up, tasks=3)
    assert sorted(call.model for call in up.calls) == sorted([*PROPOSALS, "llama-3.3-70b", *["small"] * 3])
    up.reset()
    chat.ask("And on Mars?")
    chat.settled(up, tasks=1)
    (call,) = up.of("gemma-3-27b")
    assert [message["content"] for message in call.messages[-3:]] == [QUESTION, ANSWER, "And on Mars?"]


def test_failures_through_the_function_are_told_in_the_chat(chat: ChatPage) -> None:
    chat.open("moakit.doomed").ask(QUESTION)
    box = chat.messages.locator("#response-content-container")
    expect(box).to_contain_text("lab/down-one: HTTP 503")


def test_a_function_without_a_server_says_what_to_start(site: OpenWebUI) -> None:
    nowhere = {"BASE_URL": "http://127.0.0.1:1/v1", "API_KEY": ""}
    site.api("POST", "/api/v1/functions/id/moakit/valves/update", nowhere)
    names = [entry["name"] for entry in site.models().values()]
    assert any("moa serve" in name for name in names), names
