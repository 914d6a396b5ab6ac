"""The Stop button."""

import time

import pytest

from tests.e2e.page import ChatPage
from tests.e2e.setting import QUESTION
from tests.upstream import Upstream


@pytest.mark.parametrize(
    ("ensemble", "at_work", "shown"),
    [
        ("patient", {"slow-one", "slow-two"}, "answered (1/3)"),
        ("endless", {"endless"}, "w1 w2"),
    ],
    ids=["while proposers work", "while the answer streams"],
)
def test_stop_ends_every_call_in_under_a_second(
    chat: ChatPage, up: Upstream, ensemble: str, at_work: set[str], shown: str
) -> None:
    chat.open(ensemble).ask(QUESTION)
    chat.shows(shown)
    assert {call.model for call in up.open} == at_work
    calls = up.open
    started = time.monotonic()
    chat.page.locator('button[aria-label*="Stop" i]').click()
    up.wait_idle(1)
    assert time.monotonic() - started < 1
    assert {call.status for call in calls} == {"aborted"}
