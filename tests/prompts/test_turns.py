"""Which part of a conversation a model is shown."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.prompts import continues, last_turn, without_tools
from moakit.types import as_prompt

SYSTEM = {"role": "system", "content": "be brief"}
LATE = {"role": "developer", "content": "be kind"}
ONE, TWO = {"role": "user", "content": "one"}, {"role": "user", "content": "two"}
ANSWER = {"role": "assistant", "content": "yes"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "find", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "count", "arguments": "{}"}},
    ],
}
FOUND = {"role": "tool", "tool_call_id": "a", "content": "a cat"}
COUNTED = {
    "role": "tool",
    "tool_call_id": "b",
    "content": [{"type": "text", "text": "3"}, {"type": "text", "text": "4"}],
}
MESSAGES = st.lists(
    st.sampled_from([SYSTEM, LATE, ONE, ANSWER, CALL, FOUND, COUNTED]), min_size=1, max_size=7
)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [([ONE], False), ([ONE, CALL], False), ([ONE, CALL, FOUND], True), ([ONE, {"role": "function"}], True)],
)
def test_a_tools_result_at_the_end_continues_the_turn(prompt, answer):
    assert continues(prompt) is answer


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ([ONE], [ONE]),
        ([SYSTEM, ONE, ANSWER, TWO], [SYSTEM, TWO]),
        ([SYSTEM, ONE, LATE, ANSWER, TWO], [SYSTEM, LATE, TWO]),
        ([SYSTEM, ONE, ANSWER], [SYSTEM, ONE]),
        ([SYSTEM, ONE, ANSWER, TWO, CALL, FOUND, COUNTED], [SYSTEM, TWO, CALL, FOUND, COUNTED]),
        ([SYSTEM, ONE, ANSWER, TWO, LATE, CALL, FOUND], [SYSTEM, TWO, LATE, CALL, FOUND]),
        ([SYSTEM, ONE, LATE], [SYSTEM, LATE, ONE]),
        ([SYSTEM], [SYSTEM]),
        ([ANSWER], [ANSWER]),
    ],
)
def test_the_last_turn_is_the_system_messages_and_the_last_user_message(prompt, shown):
    assert list(last_turn(prompt)) == shown


@given(MESSAGES)
def test_the_last_turn_has_nothing_twice_and_keeps_the_last_user_message(messages):
    messages = [{**message, "place": place} for place, message in enumerate(messages)]
    shown = [message["place"] for message in last_turn(messages)]
    users = [message["place"] for message in messages if message["role"] == "user"]
    assert len(set(shown)) == len(shown)
    assert not users or [place for place in shown if place in users] == users[-1:]


def test_a_conversation_without_tools_is_returned_as_it_is():
    prompt = [SYSTEM, ONE, ANSWER, TWO]
    assert without_tools(prompt) is prompt


def test_tool_calls_and_results_are_told_in_words():
    told = without_tools([ONE, CALL, FOUND, COUNTED, ANSWER])
    assert told == [
        ONE,
        {"role": "assistant", "content": '[called find with {"x": 1}]\n[called count with {}]'},
        {"role": "user", "content": "[result of find: a cat]\n[result of count: 3\n4]"},
        ANSWER,
    ]


def test_what_was_said_beside_a_call_is_kept():
    told = without_tools([ONE, {**CALL, "content": "Let me see."}, FOUND])
    assert told[1]["content"].startswith("Let me see.\n[called find")


def test_a_result_without_its_call_is_told_as_well():
    told = without_tools([ONE, {"role": "function", "name": "f", "content": "7"}])
    assert told == [ONE, {"role": "user", "content": "[result of f: 7]"}]


def test_a_result_of_a_call_nobody_knows_is_a_tools():
    assert without_tools([{**FOUND, "tool_call_id": "?"}])[0]["content"] == "[result of tool: a cat]"


def test_the_old_form_of_a_call_is_told_as_well():
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    told = without_tools([ONE, call, {"role": "function", "name": "f", "content": "7"}])
    assert told == [
        ONE,
        {"role": "assistant", "content": "[called f with {}]"},
        {"role": "user", "content": "[result of f: 7]"},
    ]


@given(MESSAGES)
def test_told_conversations_hold_no_tools_and_the_originals_are_not_changed(messages):
    before = copy.deepcopy(messages)
    told = without_tools(as_prompt(messages))
    assert messages == before
    assert all(message["role"] != "tool" and "tool_calls" not in message for message in told)
    said = [message for message in told if message["role"] == "user"]
    assert [message for message in said if not str(message["content"]).startswith("[result of ")] == [
        message for message in messages if message["role"] == "user"
    ]
