"""The layout of the paper's reference implementation, byte for byte."""

import copy

import pytest

from moakit.prompts import LAYOUTS, compose

SYSTEM = """You have been provided with a set of responses from various open-source models to the latest user query. Your task is to synthesize these responses into a single, high-quality response. It is crucial to critically evaluate the information provided in these responses, recognizing that some of it may be biased or incorrect. Your response should not simply replicate the given answers but should offer a refined, accurate, and comprehensive reply to the instruction. Ensure your response is well-structured, coherent, and adheres to the highest standards of accuracy and reliability.

Responses from models:
1. The sky is blue.
2. It is
not."""  # noqa: E501 - a line of theirs is a line here
REFERENCES = ["The sky is blue.", "It is\nnot."]
USER = {"role": "user", "content": "What colour is the sky?"}


def composed(prompt, *, system=None, references=REFERENCES):
    return compose(prompt, references, system=system, layout="together", seed="run_1")


def test_a_lone_user_message_gets_a_system_message():
    assert composed([USER]) == [{"role": "system", "content": SYSTEM}, USER]


def test_a_system_message_is_continued():
    prompt = [{"role": "system", "content": "Be brief."}, USER]
    assert composed(prompt) == [{"role": "system", "content": f"Be brief.\n\n{SYSTEM}"}, USER]


def test_the_user_messages_are_as_they_were():
    prompt = [USER, {"role": "assistant", "content": "Blue."}, {"role": "user", "content": "And at night?"}]
    assert composed(prompt)[1:] == prompt


def test_a_system_message_in_parts_stays_in_parts():
    parts = [{"type": "text", "text": "Be brief."}]
    first = composed([{"role": "system", "content": parts}, USER])[0]
    assert first["content"] == [*parts, {"type": "text", "text": SYSTEM}]


def test_the_agents_system_prompt_comes_first():
    assert composed([USER], system="You are a critic.")[0]["content"] == f"You are a critic.\n\n{SYSTEM}"


def test_nothing_given_is_changed():
    prompt = [{"role": "system", "content": "Be brief."}, USER]
    before = copy.deepcopy(prompt)
    composed(prompt)
    assert prompt == before


@pytest.mark.parametrize("prompt", [[USER], [{"role": "system", "content": "Be brief."}, USER]])
def test_without_references_there_is_nothing_to_say(prompt):
    assert composed(prompt, references=()) == prompt


def test_it_is_one_of_three_layouts():
    assert sorted(LAYOUTS) == ["council", "moakit", "together"]
