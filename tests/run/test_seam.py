"""Where a continuation meets what was shown: nothing twice, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.errors import BadResponse
from moakit.run.seam import Seam

SHOWN = "The night sky is dark because the universe had a beginning, so the light of far"
REST = " stars has not reached us yet. Olbers asked this question in 1823, and Kelvin answered it."


def joined(before, pieces, *, spaced=False):
    seam = Seam(before, spaced=spaced)
    return before + "".join(seam.feed(piece) for piece in pieces) + seam.close()


def words(text):
    return text.replace(" ", "\x00 ").split("\x00")


@pytest.mark.parametrize("cut", [1, 3, 20, len(SHOWN) - 1, len(SHOWN)])
def test_a_model_that_goes_on(cut):
    whole = SHOWN + REST
    assert joined(whole[:cut], words(whole[cut:])) == whole


@pytest.mark.parametrize("pieces", [lambda text: [text], words, list], ids=["whole", "words", "letters"])
@pytest.mark.parametrize(
    "again", [SHOWN, SHOWN[-20:], SHOWN[-60:], "\n" + SHOWN], ids=["afresh", "words", "more", "newline"]
)
def test_a_model_that_repeats(again, pieces):
    assert joined(SHOWN, pieces(again + REST)) == SHOWN + REST


def test_a_model_that_only_repeats():
    assert joined(SHOWN, words(SHOWN[:50])) == SHOWN


def test_a_model_that_begins_another_answer():
    with pytest.raises(BadResponse, match="afresh"):
        joined(SHOWN, words(SHOWN[:60] + " there was nothing, and that is all there is to say about it."))


def test_a_space_that_was_lost():
    assert joined("so the light of far", ["stars has"], spaced=True) == "so the light of far stars has"
    assert joined("so the light of far", ["stars has"]) == "so the light of farstars has"
    assert joined("so the light of far,", [" and"], spaced=True) == "so the light of far, and"


@given(st.text(min_size=1), st.lists(st.text(), max_size=20))
def test_nothing_is_lost(before, pieces):
    try:
        text = joined(before, pieces)
    except BadResponse:
        return
    assert text.startswith(before)
    assert text[len(before) :].strip() in "".join(pieces)
