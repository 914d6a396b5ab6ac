"""A chat of Open WebUI as its user sees it."""

import time
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.upstream import Upstream

SCREENSHOTS = Path(__file__).with_name("screenshots")
PATIENCE = 20_000
"""Milliseconds until something has to be on the page."""
QUIET = 700
"""Milliseconds after which nothing more is expected."""


class ChatPage:
    """One browser page with a chat."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, *models: str) -> "ChatPage":
        """Start a new chat with these models."""
        self.page.goto(f"{self.url}/?models={','.join(models)}")
        self.page.wait_for_selector("#chat-input", timeout=60_000)
        return self

    def ask(self, text: str) -> None:
        """Type a question and send it."""
        box = self.page.locator("#chat-input")
        box.click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    @property
    def messages(self) -> Locator:
        return self.page.locator("#messages-container")

    def shows(self, text: str, *, timeout: float = PATIENCE) -> Locator:
        """Wait until the messages hold a text."""
        found = self.messages.get_by_text(text).first
        expect(found).to_be_visible(timeout=timeout)
        return found

    def finished(self) -> None:
        """Wait until the answer is complete: its buttons are there and nothing can be stopped."""
        expect(self.page.locator('button[id^="info-"]').last).to_be_attached(timeout=PATIENCE)

    def settled(self, up: Upstream, *, tasks: int | None) -> None:
        """Wait until the answer and this many background tasks are through, and nothing more comes."""
        self.finished()
        end = time.monotonic() + PATIENCE / 1000
        while tasks is not None and len(up.of("small")) < tasks:
            assert time.monotonic() < end, [call.model for call in up.calls]
            self.page.wait_for_timeout(50)
        self.page.wait_for_timeout(QUIET)
        up.wait_idle(20)

    @property
    def text(self) -> str:
        return self.messages.inner_text()

    def shot(self, name: str) -> Path:
        """Keep a screenshot."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path
