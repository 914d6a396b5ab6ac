"""The layer that counts the answers in the references, and how it reads them."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit import (
    Aggregator,
    ConfigError,
    Delta,
    Judged,
    MoaError,
    NotEnoughResponses,
    Proposers,
    Sequential,
    ShapeError,
    Voter,
)
from moakit.events import to_mapping
from moakit.layers.extraction import extractor, letter_in, number_in, text_in, text_of_pattern


def voted(lab, *proposers, extract="text", **options):
    return Sequential(Proposers(*map(lab, proposers)), Voter(extract, **options))


async def told(ensemble):
    async with ensemble.stream("why") as stream:
        events = [event async for event in stream]
    return stream.answer, [event for event in events if isinstance(event, Judged)]


async def test_the_first_response_of_the_majority_is_given_verbatim(up, lab):
    ensemble = voted(lab, "say:It_is_5.", "say:So_it_is_4!", "say:4", extract="number")
    answer, judged = await told(ensemble)
    assert answer.text == "So it is 4!" and answer.response is answer.layers[0][1]
    assert ensemble.summary().calls == len(answer.calls) == 3 and ensemble.summary().steps == 1
    assert [event.verdict for event in judged] == [{"votes": {"5": 1, "4": 2}}]
    assert json.dumps(to_mapping(judged[0])) and judged[0].path == "1"
    assert answer.degraded is False


async def test_whole_texts_are_compared_without_case_space_and_marks_around_them(up, lab):
    answer = await voted(lab, "say:Rome", "say:**Paris**.", "say:paris", "say:rome_or_Paris").run("why")
    assert answer.text == "**Paris**."


async def test_the_letter_of_a_choice_is_counted(up, lab):
    proposers = ("say:The_answer_is_(C).", "say:B)_Berlin", "say:b")
    assert (await voted(lab, *proposers, extract="letter").run("why")).text == "B) Berlin"


async def test_a_pattern_or_a_function_reads_the_answer(up, lab):
    proposers = ("say:x:_one", "say:y:_two", "say:z:_TWO")
    assert (await voted(lab, *proposers, extract=re.compile(r": (\w+)")).run("why")).text == "y: two"
    assert (await voted(lab, *proposers, extract=lambda text: str(len(text))).run("why")).text == "x: one"


async def test_weights_count_a_models_vote_more(up, lab):
    proposers = ("say:no", "say:no+nousage", "say:yes")
    assert (await voted(lab, *proposers).run("why")).text == "no"
    assert (await voted(lab, *proposers, weights={"lab/say:yes": 3}).run("why")).text == "yes"
    nobody = {"lab/say:no": 0, "lab/say:no+nousage": 0.5}
    assert (await voted(lab, *proposers, weights=nobody).run("why")).text == "yes"


async def test_with_a_tie_the_answer_that_was_given_first_wins_or_it_is_an_error(up, lab):
    proposers = ("say:one", "say:two", "say:two_", "say:one_", "say:three")
    answer = await voted(lab, *proposers).run("why")
    assert answer.text == "one" and answer.degraded is False
    with pytest.raises(NotEnoughResponses) as caught:
        await voted(lab, *proposers, ties="error").run("why")
    assert str(caught.value) == "no majority (1): the vote is tied between 'one', 'two'"


async def test_sums_of_parts_are_a_tie_too(up, lab):
    proposers = ("say:one", "say:two", "say:two+nousage", "say:two+extra")
    weights = {"lab/say:one": 0.3, "lab/say:two": 0.1, "lab/say:two+nousage": 0.1, "lab/say:two+extra": 0.1}
    assert (await voted(lab, *proposers, weights=weights).run("why")).text == "one"
    with pytest.raises(NotEnoughResponses) as caught:
        await voted(lab, *proposers, weights=weights, ties="error").run("why")
    assert "the vote is tied" in str(caught.value)


async def test_one_without_an_answer_does_not_vote(up, lab):
    proposers = ("say:who_knows", "say:no_idea", "say:it_is_7")
    assert (await voted(lab, *proposers, extract="number").run("why")).text == "it is 7"


async def test_when_nobody_votes_the_one_most_alike_the_others_stands_in_and_that_is_told(up, lab):
    proposers = ("say:who_knows", "say:no_idea_at_all", "say:no_idea_really_at_all")
    answer, judged = await told(voted(lab, *proposers, extract="number"))
    assert answer.text == "no idea really at all" and answer.degraded is True
    assert [event.error for event in judged] == ["no reference has an answer to count"]
    with pytest.raises(NotEnoughResponses) as caught:
        await voted(lab, *proposers, extract="number", ties="error").run("why")
    assert "no reference has an answer to count" in str(caught.value)


async def test_a_vote_that_is_an_error_is_one_proposal_less_among_others(up, lab):
    tied = voted(lab, "say:one", "say:two", ties="error")
    answer = await Sequential(Proposers(tied, lab("say:three")), Aggregator(lab("say:done"))).run("why")
    assert [reference.text for reference in answer.references] == ["three"] and answer.degraded


async def test_it_votes_on_those_that_came(up, lab):
    answer = await voted(lab, "status:401", "say:no", "say:yes", "say:yes_").run("why")
    assert answer.text == "yes" and answer.degraded


async def test_at_the_tail_the_winner_is_sent_whole(up, lab):
    async with voted(lab, "say:no", "tokens:9", "tokens:9+nousage").stream("why", proposers=True) as stream:
        answers = [event async for event in stream if isinstance(event, Delta) and event.answer]
    assert [event.text for event in answers] == ["w1 w2 w3 w4 w5 w6 w7 w8 w9"]


async def test_what_a_function_raises_is_the_runs_error(up, lab):
    with pytest.raises(ZeroDivisionError):
        await voted(lab, "say:a", "say:b", extract=lambda text: 1 / 0).run("why")
    with pytest.raises(ConfigError, match="extract returned 1, not a text"):
        await voted(lab, "say:a", "say:b", extract=len).run("why")


def test_its_shape_is_one():
    assert Voter().shape(None) == Voter().shape(5) == 1
    with pytest.raises(ShapeError, match="Voter has no references"):
        Voter().shape(0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"extract": "numbers"}, "did you mean 'number'"),
        ({"extract": 5}, "extract = 5 is neither"),
        ({"weights": {"a": -1}}, "the weight -1 of a is not a number"),
        ({"weights": {"a": float("nan")}}, "the weight nan of a"),
        ({"weights": {"a": True}}, "the weight True of a"),
        ({"ties": "random"}, "ties = 'random' is not"),
    ],
)
def test_what_it_cannot_be_is_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        Voter(**options)


def test_a_function_has_no_configuration():
    with pytest.raises(MoaError, match="an extract that is a function has no configuration"):
        Voter(str.strip).to_config()
    assert Voter(str.strip) == Voter(str.strip) != Voter(str.upper)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It is 1,000.0 in all.", "1000"),
        ("from 3 to 4", "4"),
        ("$5.50", "11/2"),
        ("so 1/2", "1/2"),
        ("so 0.5", "1/2"),
        ("-7", "-7"),
        (r"\boxed{-\frac{2}{4}} of 9", "-1/2"),
        ("\u22127 °C", "-7"),
        (r"Thus \boxed{42}, not 43", "42"),
        ("steps: 1 2 3\n#### 17\n(18)", "17"),
        ("a2 b3", None),
        ("none", None),
        ("1/0", None),
        ("7" * 60, None),
        ("2024-05-06 is 12.", "12"),
        ("٤٢", "42"),
    ],
)
def test_a_number_is_read_in_one_form(text, number):
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("C) because A is wrong", "C"),
        ("**D**", "D"),
        ("The correct answer is B.", "B"),
        ("Answer: **C**", "C"),
        ("I think the answer is (A), a city.", "A"),
        (r"So \boxed{\text{E}}", "E"),
        ("Option A is wrong, so the answer is D", "D"),
        ("I would choose B over the others", "B"),
        ("A good question.", None),
        ("I don't know", None),
        ("", None),
    ],
)
def test_a_letter_is_found_where_choices_are_named(text, letter):
    assert letter_in(text) == letter


def test_a_text_of_nothing_is_no_answer():
    assert text_in(" **Yes** ") == "yes" and text_in(" ** \n") is None


def test_the_last_match_of_a_pattern_counts():
    read = extractor(re.compile(r"x=(\w*)|y"))
    assert read("x=1 x=2") == "2" and read("nothing") is None and read("y") is None


@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.MULTILINE | re.DOTALL, re.ASCII | re.VERBOSE])
@pytest.mark.parametrize("text", ["a.b", "(?i)a", "(?s-i:x)y"])
def test_a_pattern_is_written_with_its_flags(text, flags):
    pattern = re.compile(text, flags)
    again = re.compile(text_of_pattern(pattern))
    assert again.flags == pattern.flags and (again.pattern == text or flags)


@pytest.mark.parametrize("name", ["text", "number", "letter"])
@pytest.mark.parametrize(
    "piece", ["(", "*", "\\boxed{ ", " ", "1,", "1 ", "1/", "#", "####\n", "answer ", "-", "$"]
)
def test_no_text_takes_for_ever(name, piece):
    extractor(name)("\\boxed{" + piece * 100_000)


@given(st.text())
def test_any_text_is_read_or_has_no_answer(text):
    for name in ("text", "number", "letter"):
        answer = extractor(name)(text)
        assert answer is None or answer


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_one_number_in_two_forms_is_one_answer(value):
    assert number_in(f"it is {value:,}") == number_in(f"{value}00")
