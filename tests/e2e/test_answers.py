"""What the user sees of a run, from the question to the totals."""

from playwright.sync_api import expect

from tests.e2e.page import ChatPage
from tests.e2e.setting import ANSWER, PROPOSALS, QUESTION
from tests.upstream import Upstream


def test_status_lines_tell_how_far_the_run_is(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.shows("Layer 1/2 · asking 3 proposers")
    chat.shows("lab/llama-3.1-8b answered (1/3)")
    chat.shows("lab/gemma-3-27b answered (2/3)")
    chat.shows("Layer 2/2 · aggregating with lab/llama-3.3-70b")
    chat.finished()
    chat.shows("4 calls")


def test_the_status_lines_stay_as_a_timeline(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.messages.get_by_label("Toggle status history").click()
    for line in ("asking 3 proposers", "(1/3)", "(2/3)", "(3/3)", "aggregating with", "4 calls"):
        chat.shows(line)


def test_a_collapsible_above_the_answer_holds_every_proposal(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.messages.get_by_text("Thought for").click()
    for model, proposal in PROPOSALS.items():
        expect(chat.messages.get_by_role("heading", name=f"lab/{model}")).to_be_visible()
        chat.shows(proposal)


def test_the_answer_streams(chat: ChatPage, up: Upstream) -> None:
    chat.open("panel").ask(QUESTION)
    chat.shows("The night sky is dark")
    assert [call.model for call in up.open] == ["llama-3.3-70b"], "its first words show while it writes"
    chat.finished()
    assert "fill the sky" in chat.text


def test_a_reference_in_the_answer_opens_the_proposal_it_names(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.shows("3 Sources")
    chat.messages.get_by_label("View source: lab/gemma-3-27b").click()
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text(PROPOSALS["gemma-3-27b"])


def test_the_list_of_sources_is_in_the_order_the_aggregator_read(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.messages.get_by_label("Toggle 3 sources").click()
    listed = chat.messages.locator('[id^="source-"]').all_inner_texts()
    assert [text.split() for text in listed] == [
        [str(number), f"lab/{model}"] for number, model in enumerate(PROPOSALS, 1)
    ]


def test_the_info_tooltip_has_totals_and_cost(chat: ChatPage) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.page.locator('button[id^="info-"]').hover()
    tooltip = chat.page.locator(".tippy-content")
    for part in ("total_tokens", "cost: 0.00", "run_id", "lab/qwen-2.5-72b", 'role: "aggregator"'):
        expect(tooltip).to_contain_text(part)


def test_a_second_turn_sends_what_was_said_and_nothing_else(chat: ChatPage, up: Upstream) -> None:
    chat.open("panel").ask(QUESTION)
    chat.finished()
    chat.settled(up, tasks=3)
    up.reset()
    chat.ask("And on Mars?")
    chat.settled(up, tasks=1)
    for model in PROPOSALS:
        (call,) = up.of(model)
        assert [(message["role"], message["content"]) for message in call.messages[-3:]] == [
            ("user", QUESTION),
            ("assistant", ANSWER),
            ("user", "And on Mars?"),
        ]
