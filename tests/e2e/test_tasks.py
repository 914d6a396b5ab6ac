"""Titles, tags, follow-up questions and merging: what Open WebUI asks for beside the chat."""

import pytest

from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import ChatPage
from tests.e2e.setting import PROPOSALS, QUESTION
from tests.server.serving import KEY, Served
from tests.upstream import Upstream

HEADERS = {"X-MoA-Client": "openwebui", "X-MoA-Task": "{{TASK}}", "X-MoA-Chat": "{{CHAT_ID}}"}
WORDINGS = ("Generate a concise title", "tags categorizing the main themes", "might naturally send next")


@pytest.fixture(params=["one URL", "headers"])
def connected(request: pytest.FixtureRequest, site: OpenWebUI, served: Served) -> None:
    """The plain connection, and the other one: the API every client uses, with headers."""
    if request.param == "headers":
        site.connect(served.base_url, key=KEY, headers=HEADERS)


@pytest.mark.usefixtures("connected")
def test_title_tags_and_follow_ups_take_one_small_call_each(chat: ChatPage, up: Upstream) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.shows("3 Sources")
    chat.settled(up, tasks=3)
    assert sorted(call.model for call in up.calls) == sorted([*PROPOSALS, "llama-3.3-70b", *["small"] * 3])
    for wording in WORDINGS:
        assert sum(wording in call.prompt for call in up.of("small")) == 1, wording
    chat.shows("How old is the universe?")
    assert chat.page.title().startswith("Dark sky")


@pytest.mark.usefixtures("connected")
def test_merging_responses_takes_one_call(chat: ChatPage, up: Upstream) -> None:
    chat.open("panel", "limping").ask(QUESTION)
    button = chat.page.get_by_label("Merge Responses")
    button.wait_for()
    chat.settled(up, tasks=None)
    up.reset()
    button.click()
    chat.shows("Merged Response")
    chat.settled(up, tasks=None)
    assert [call.model for call in up.calls] == ["llama-3.3-70b"]
    assert up.calls[0].stream
