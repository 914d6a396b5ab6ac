"""Choosing an ensemble."""

from playwright.sync_api import expect

from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import ChatPage

DESCRIPTION = "Three small models answer, a large one writes the final answer"


def test_every_ensemble_is_listed_as_a_model(chat: ChatPage, site: OpenWebUI) -> None:
    assert {"panel", "limping", "doomed", "endless"} <= site.models().keys()
    chat.open("panel")
    chat.page.locator("#model-selector-model-button").click()
    for name in ("panel", "limping", "doomed", "endless"):
        expect(chat.page.get_by_role("option", name=name).first).to_be_visible()


def test_a_new_chat_shows_the_description_of_its_ensemble(chat: ChatPage) -> None:
    chat.open("panel")
    expect(chat.page.get_by_text(DESCRIPTION).first).to_be_visible()
