"""Messages, usage, answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moakit.errors import InvalidRequest
from moakit.policies.agreement import agreement_of
from moakit.prompts import LAYOUTS, compose, last_turn, without_tools
from moakit.types import Answer, Response, Usage, as_prompt, text_of

ROLES = st.sampled_from(["user", "system", "developer", "assistant", "tool", "function", "critic"])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=4)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "type", "function", "name", "id", "arguments"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
FIELDS = st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name", "function_call"])
MESSAGES = st.fixed_dictionaries({"role": ROLES, "content": ANYTHING, "tool_calls": ANYTHING})


def test_a_string_is_one_user_message():
    assert as_prompt("why") == ({"role": "user", "content": "why"},)


def test_messages_are_passed_on_as_they_came():
    messages = [{"role": "user", "content": [{"type": "x"}], "odd": 1}, {"role": "tool", "content": None}]
    assert as_prompt(messages) is messages


@pytest.mark.parametrize(
    ("prompt", "what"),
    [
        ([], "empty"),
        ((), "empty"),
        ("", "empty"),
        (" \n", "empty"),
        (None, "a NoneType"),
        (5, "a int"),
        ({"role": "user"}, "a dict"),
        (iter([{"role": "user"}]), "a list_iterator"),
    ],
)
def test_what_is_no_conversation_is_refused(prompt, what):
    with pytest.raises(InvalidRequest, match=f"the prompt is {what}") as caught:
        as_prompt(prompt)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    "message", ["hi", None, {}, {"content": "hi"}, {"role": None}, {"role": 5}, ["role"]]
)
def test_what_is_no_message_is_refused_by_its_place(message):
    with pytest.raises(InvalidRequest, match=r"messages\[1\] is not a message") as caught:
        as_prompt([{"role": "user", "content": "hi"}, message])
    assert caught.value.param == "messages[1]"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", 5),
        ("content", {"text": "hi"}),
        ("content", b"hi"),
        ("content", True),
        ("tool_calls", {}),
        ("tool_calls", "f"),
        ("tool_calls", ["f"]),
        ("tool_calls", [{"function": "f"}]),
    ],
)
def test_a_field_that_no_model_takes_is_refused_by_its_place(field, value):
    with pytest.raises(InvalidRequest) as caught:
        as_prompt([{"role": "user", field: value}])
    assert caught.value.param == f"messages[0].{field}"


@settings(max_examples=300)
@given(st.lists(MESSAGES | st.dictionaries(FIELDS, ANYTHING, max_size=4), max_size=3))
def test_any_messages_are_refused_or_can_be_composed(messages):
    try:
        prompt = as_prompt(messages)
    except InvalidRequest:
        return
    for shown in (prompt, last_turn(prompt), without_tools(prompt)):
        for layout in LAYOUTS:
            composed = compose(shown, ["a reference"], system="system", layout=layout, seed="run_1")
            assert "a reference" in "\n".join(map(text_of, composed))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}], "a\nb"),
        (["odd", 5, {"text": 7}], ""),
    ],
)
def test_the_text_of_a_message(content, text):
    assert text_of({"role": "user", "content": content}) == text


def test_a_message_without_content_has_no_text():
    assert text_of({"role": "assistant", "tool_calls": []}) == ""


def test_usage_adds_up():
    assert Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50) == Usage(11, 22, 33, 44, 55)


def test_an_answer_reads_as_its_text():
    answer = Answer(text="**42**", response=Response(text="**42**"))
    assert str(answer) == answer._repr_markdown_() == "**42**"


def test_values_cannot_be_changed():
    with pytest.raises(AttributeError):
        Response(text="a").text = "b"
    with pytest.raises(AttributeError):
        Usage().prompt_tokens = 1


def of(*texts):
    return Answer(
        text="x", response=Response(text="x"), references=tuple(Response(text=text) for text in texts)
    )


def test_the_agreement_of_an_answers_references_is_the_mean_over_their_pairs():
    assert of().agreement is None and of("alone").agreement is None
    assert of("the same", "the same").agreement == 1
    assert of("the same", "something else").agreement == 0
    assert of("the same", "the same", "something else").agreement == pytest.approx(1 / 3)


def test_the_dissent_is_the_reference_least_like_the_others():
    assert of("it is four", "seven hundred", "it is four I think").dissent == 1
    assert of("it is four", "seven hundred").dissent is None
    assert of("it is four").dissent is of().dissent is None


def test_where_all_are_alike_equally_none_dissents():
    assert of("the same", "the same", "the same").dissent is None
    assert of("one", "two", "three").dissent is None


@settings(max_examples=100)
@given(st.lists(st.text("ab 1.", max_size=8), min_size=2, max_size=6))
def test_the_agreement_is_that_of_the_policy(texts):
    answer = of(*texts)
    assert answer.agreement == pytest.approx(agreement_of(texts))
    assert answer.dissent is None or 0 <= answer.dissent < len(texts)
