"""`show_proposers = "details"`: proposals as collapsibles inside the answer."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import ChatPage
from tests.e2e.setting import ANSWER, CONFIG, PROPOSALS, QUESTION, dialect_url, environ
from tests.server.serving import KEY, Served, serving
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def detailed(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("detailed")
    with serving(folder, CONFIG + 'show_proposers = "details"\n', **environ(_upstream)) as server:
        yield server


@pytest.fixture(autouse=True)
def _connected(site: OpenWebUI, detailed: Served) -> None:
    site.connect(dialect_url(detailed), key=KEY)


def test_each_proposal_is_a_collapsible_of_its_own(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    for model, proposal in PROPOSALS.items():
        chat.messages.get_by_text(f"lab/{model} · ").first.click()
        expect(chat.messages.get_by_text(proposal).first).to_be_visible()
    assert "<details" not in chat.text
    assert "<summary" not in chat.text


def test_a_second_turn_sends_none_of_them_back(chat: ChatPage, up: Upstream) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.settled(up, tasks=3)
    up.reset()
    chat.ask("And on Mars?")
    chat.settled(up, tasks=1)
    for call in up.calls:
        assert "<details" not in call.raw.decode(), call.model
    (call,) = up.of("gemma-3-27b")
    assert [message["content"] for message in call.messages[-3:]] == [QUESTION, ANSWER, "And on Mars?"]
