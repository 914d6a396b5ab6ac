"""How much texts agree, and from when on the rest need not be waited for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.errors import ConfigError
from moakit.policies.agreement import LOOKED_AT, Agreement, alike, words_of


def of(one, other):
    return alike(words_of(one), words_of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "42"),
        ("42", " **42.** "),
        ("42", "The answer is 42."),
        ("$1,000", "1000 dollars"),
        ("3,14", "3.14"),
        ("42.0", "42"),
        ("\u221242", "-42"),
        ("\uff14\uff12", "42"),
        ("答案是42。", "42"),
        ("(B)", "b"),
        ("Yes.", "yes"),
        ("The answer is 42.", "the answer is: 42"),
        ("東京です", "東京です。"),
        ("👍", " 👍 "),
    ],
)
def test_the_same_answer_in_other_clothes_is_wholly_alike(one, other):
    assert of(one, other) == of(other, one) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "43"),
        ("42", "-42"),
        ("42", "4.2"),
        ("42", "forty-two"),
        ("The answer is 42.", "The answer is 43."),
        ("Paris", "Lyon"),
        ("👍", "👎"),
        ("", ""),
        (" ", "\n"),
        ("", "42"),
    ],
)
def test_another_answer_is_not_alike(one, other):
    assert of(one, other) == of(other, one) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It is safe to drive", "It is not safe to drive"),
        ("The lake is larger than the sea", "The sea is larger than the lake"),
        ("Yes", "Yes, but only when nobody looks"),
        ("Paris", "It is not Paris, it is Lyon"),
        ("東京は大きい", "京都は大きい"),
        ("42", "6 times 7 is 42"),
    ],
)
def test_a_word_more_or_in_another_place_makes_a_difference(one, other):
    assert 0 < of(one, other) < 0.75


def test_likeness_is_the_share_of_words_and_phrases_that_both_have():
    assert of("Yes.", "Yes, it is.") == pytest.approx(1 / 6)
    assert of("It is safe to drive", "It is not safe to drive") == pytest.approx(9 / 18)
    assert of("2 cats and 3 dogs", "2 cats and 4 dogs") == pytest.approx(1 / 3 * 7 / 17)


def test_a_number_in_a_name_is_part_of_the_name():
    assert of("gpt4 wins", "gpt5 wins") == pytest.approx(1 / 5)
    assert not words_of("gpt4").numbers
    assert words_of("10-5, 2024-05-01").numbers == {"10", "5", "2024", "05", "01"}


LONG = " ".join(f"word{number}" for number in range(400))


def test_a_long_text_in_which_one_number_differs_is_not_alike():
    assert of(f"{LONG} so it is 42", f"{LONG} so it is 42") == 1
    assert of(f"{LONG} so it is 42", f"{LONG} so it is 43") == 0


def test_of_a_very_long_text_the_beginning_and_the_end_are_compared():
    filler = "x " * LOOKED_AT
    other = "y " * LOOKED_AT
    assert of(f"{filler}42", f"{filler}43") == 0
    assert of(f"{filler}{other}{filler}", f"{filler}{filler}") == 1


@pytest.mark.parametrize("text", ["1" * 10**7, "1," * 10**7, "a" * 10**7, "東" * 10**7, "-" * 10**7])
def test_the_time_it_takes_has_a_bound(text):
    began = time.perf_counter()
    assert of(text, text) == 1
    assert time.perf_counter() - began < 1


@given(st.text(), st.text())
def test_any_two_texts_have_a_likeness_that_is_the_same_both_ways(one, other):
    assert 0 <= of(one, other) == of(other, one) <= 1
    assert of(one, one) == bool(one.strip())


def told(texts, **settings):
    """Return what an agreement says after each text."""
    agreement = Agreement(settings.pop("wanted", 0.8), **settings)
    return [agreement([text]) for text in texts]


def test_two_that_agree_are_enough():
    assert told(["42", "The answer is 42.", "43"]) == [False, True, False]


def test_as_many_as_the_minimum_have_to_be_there():
    assert told(["42", "42", "42"], least=3) == [False, False, True]
    assert told(["42", "42"], least=1) == [False, True]


def test_it_is_the_mean_over_all_pairs_that_counts():
    assert told(["42", "42", "43"], wanted=1 / 3) == [False, True, True]
    assert told(["43", "42", "42", "42"], wanted=0.5) == [False, False, False, True]


def test_several_texts_may_come_at_once():
    agreement = Agreement(1)
    assert not agreement([])
    assert agreement(["42", "42"])


def test_a_measure_is_given_all_texts_in_the_order_they_came():
    seen = []

    def measure(texts):
        seen.append(texts)
        return len(texts) / 4

    assert told(["a", "b", "c", "d"], wanted=0.75, measure=measure) == [False, False, True, True]
    assert seen == [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")]


@pytest.mark.parametrize("value", [None, "0.9", [1]])
def test_a_measure_that_gives_no_number_is_refused(value):
    with pytest.raises(ConfigError, match=r"measure returned .* not a number"):
        told(["a", "a"], measure=lambda texts: value)


def test_a_measure_that_is_not_a_number_of_any_size_is_no_agreement():
    assert told(["a", "a"], measure=lambda texts: float("nan")) == [False, False]
