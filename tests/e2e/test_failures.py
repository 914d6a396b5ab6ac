"""Models that fail."""

from playwright.sync_api import expect

from tests.e2e.page import ChatPage
from tests.e2e.setting import QUESTION


def test_a_failed_proposer_is_a_status_line_and_the_answer_comes(chat: ChatPage) -> None:
    chat.open("limping").ask(QUESTION)
    chat.finished()
    chat.shows("stars burn out before")
    chat.shows("without lab/limited")
    chat.messages.get_by_label("Toggle status history").click()
    chat.shows("lab/limited failed")
    chat.shows("2 Sources")


def test_when_every_model_fails_a_box_says_why(chat: ChatPage) -> None:
    chat.open("doomed").ask(QUESTION)
    box = chat.messages.locator("#response-content-container")
    expect(box).to_contain_text("lab/down-one: HTTP 503")
    expect(box).to_contain_text("lab/down-two: HTTP 503")
    chat.shows("failed")
    expect(chat.messages.get_by_label("Regenerate")).to_be_visible()


def test_an_answer_that_breaks_off_keeps_what_came_and_says_why(chat: ChatPage) -> None:
    chat.open("broken").ask(QUESTION)
    chat.shows("w1 w2 w3")
    chat.shows("lab/breaks-off")
