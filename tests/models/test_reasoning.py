"""Telling a <think>…</think> from the text behind it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moakit.models.reasoning import Splitter, split

PIECES = ["<think>", "</think>", "<", "<thi", "nk>", "</thin", "</", ">", " ", "\n", "a", "why ", "\u2028"]


def split_in(pieces):
    splitter = Splitter()
    said = [splitter.feed(piece) for piece in pieces] + [splitter.close()]
    return "".join(thought for thought, _ in said), "".join(text for _, text in said)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_pieces_give_what_the_whole_gives(pieces):
    assert split_in(pieces) == split("".join(pieces))


@given(st.text(alphabet="<>/think \n", max_size=40), st.booleans())
def test_characters_give_what_the_whole_gives(text, tagged):
    text = f"<think>{text}" if tagged else text
    assert split_in(text) == split(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>so</think>\n\nyes", ("so", "yes")),
        ("\n <think>\nso\n</think>yes", ("\nso\n", "yes")),
        ("<think></think>yes", ("", "yes")),
        ("<think>a</think>b<think>c</think>", ("a", "b<think>c</think>")),
        ("yes", ("", "yes")),
        ("  yes ", ("", "  yes ")),
        ("yes <think>no</think>", ("", "yes <think>no</think>")),
        ("<thinking>no</thinking>", ("", "<thinking>no</thinking>")),
        ("<thin", ("", "<thin")),
        ("", ("", "")),
    ],
)
def test_only_a_tag_at_the_beginning_is_reasoning(text, parts):
    assert split(text) == split_in(text) == parts


def test_an_unclosed_tag_leaves_no_text():
    assert split("<think>and then") == split_in("<think>and then") == ("and then", "")


def test_text_is_passed_on_as_soon_as_it_is_certain():
    splitter = Splitter()
    assert splitter.feed("Hel") == ("", "Hel")
    assert splitter.feed("<think>") == ("", "<think>")


def test_reasoning_is_passed_on_while_it_comes():
    splitter = Splitter()
    assert splitter.feed("<think>one ") == ("one ", "")
    assert splitter.feed("two</th") == ("two", "")
    assert splitter.feed("ink>\n\nyes") == ("", "yes")
