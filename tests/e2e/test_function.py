"""The Function: one file, imported by an administrator, instead of a connection."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from moakit.integrations.openwebui_admin import function_form
from tests.e2e.openwebui import NOWHERE, OpenWebUI
from tests.e2e.page import ChatPage
from tests.e2e.setting import ANSWER, PROPOSALS, QUESTION, dialect_url
from tests.processes import moa
from tests.server.serving import KEY, Served
from tests.upstream import Upstream


@pytest.fixture
def unconnected(site: OpenWebUI) -> Iterator[OpenWebUI]:
    """Open WebUI without a connection; whatever is imported there goes again."""
    site.connect()
    yield site
    with contextlib.suppress(AssertionError):
        site.api("DELETE", "/api/v1/functions/id/moakit/delete")


@pytest.fixture
def imported(unconnected: OpenWebUI, served: Served) -> None:
    """The function, switched on and told where the server is."""
    unconnected.api("POST", "/api/v1/functions/create", function_form())
    unconnected.api("POST", "/api/v1/functions/id/moakit/toggle")
    _set_valves(unconnected, dialect_url(served), KEY)
    assert "moakit.panel" in unconnected.models()


def _set_valves(site: OpenWebUI, url: str, key: str) -> None:
    valves = {"BASE_URL": url, "API_KEY": key}
    site.api("POST", "/api/v1/functions/id/moakit/valves/update", valves)


def test_the_exported_file_imports_in_the_browser(
    chat: ChatPage, unconnected: OpenWebUI, served: Served, tmp_path: Path
) -> None:
    assert moa("openwebui", "export", home=tmp_path).returncode == 0
    page = chat.page
    page.goto(f"{unconnected.url}/admin/functions")
    page.get_by_label("Open create menu").wait_for()
    page.locator("#documents-import-input").set_input_files(tmp_path / "openwebui_function.json")
    page.get_by_role("button", name="Confirm").click()
    switch = page.get_by_role("switch")
    expect(switch).to_be_visible()
    if switch.get_attribute("aria-checked") != "true":
        switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    _set_valves(unconnected, dialect_url(served), KEY)
    assert "moakit.panel" in unconnected.models()
    chat.open("moakit.panel").ask(QUESTION)
    chat.finished()
    chat.shows("3 Sources")


@pytest.mark.usefixtures("imported")
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


@pytest.mark.usefixtures("imported")
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


@pytest.mark.usefixtures("imported")
def test_background_tasks_take_one_small_call_each_through_the_function(chat: ChatPage, up: Upstream) -> None:
    chat.open("moakit.panel").ask(QUESTION)
    chat.settled(up, tasks=3)
    assert sorted(call.model for call in up.calls) == sorted([*PROPOSALS, "llama-3.3-70b", *["small"] * 3])
    up.reset()
    chat.ask("And on Mars?")
    chat.settled(up, tasks=1)
    (call,) = up.of("gemma-3-27b")
    assert [message["content"] for message in call.messages[-3:]] == [QUESTION, ANSWER, "And on Mars?"]


@pytest.mark.usefixtures("imported")
def test_failures_through_the_function_are_told_in_the_chat(chat: ChatPage) -> None:
    chat.open("moakit.doomed").ask(QUESTION)
    box = chat.messages.locator("#response-content-container")
    expect(box).to_contain_text("lab/down-one: HTTP 503")


@pytest.mark.usefixtures("imported")
def test_a_function_without_a_server_says_what_to_start(site: OpenWebUI) -> None:
    _set_valves(site, NOWHERE, "")
    names = [entry["name"] for entry in site.models().values()]
    assert any("moa serve" in name for name in names), names
