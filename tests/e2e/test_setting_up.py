"""Connecting moakit in the browser, as an administrator does."""

from playwright.sync_api import expect

from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import ChatPage
from tests.e2e.setting import PROPOSALS, QUESTION, dialect_url
from tests.server.serving import KEY, Served
from tests.upstream import Upstream


def test_one_pasted_url_and_a_key_are_the_whole_set_up(
    chat: ChatPage, site: OpenWebUI, served: Served, up: Upstream
) -> None:
    site.connect()
    assert "panel" not in site.models()
    page = chat.page
    page.goto(f"{site.url}/admin/settings/connections")
    page.get_by_label("Add Connection").click()
    page.locator("#url-input").fill(dialect_url(served))
    page.get_by_placeholder("API Key").fill(KEY)
    page.get_by_label("Verify Connection").click()
    expect(page.get_by_text("Server connection verified")).to_be_visible()
    page.get_by_role("dialog").last.get_by_role("button", name="Save").click()
    expect(page.get_by_text("API settings updated")).to_be_visible()

    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.shows("3 Sources")
    chat.settled(up, tasks=3)
    assert {call.model for call in up.calls} == {*PROPOSALS, "llama-3.3-70b", "small"}
