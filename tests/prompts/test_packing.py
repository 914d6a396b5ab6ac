"""Cutting references to fit: the longest first, beginning and end kept, the gap told."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.models.tokens import estimate
from moakit.prompts.packing import MINIMUM, cut, pack

WORDS = st.lists(
    st.sampled_from(["a", "word", "longer-word", "中文", "naïve", "🙂", "\n", "\n\n"]), max_size=400
)
TEXT = WORDS.map(" ".join) | st.text(max_size=600) | st.integers(1, 3000).map(lambda n: "x" * n)
SHOWN = TEXT.filter(lambda text: text.strip())
GAP = re.compile(r"\n\n\[… about ([\d,]+) tokens left out …\]\n\n")


def letters(text):
    return len(text.encode())


MEASURES = st.sampled_from([estimate, len, letters])


def total(texts, measure=estimate):
    return sum(map(measure, texts))


@given(texts=st.lists(SHOWN, max_size=6), room=st.integers(0, 3000), measure=MEASURES)
def test_what_is_packed_never_exceeds_the_room_and_is_never_empty(texts, room, measure):
    packed = pack(texts, measure, room=room)
    if packed.needed > room:
        assert packed.texts == ()
        assert total(pack(texts, measure, room=packed.needed).texts, measure) <= packed.needed
    else:
        assert len(packed.texts) == len(texts)
        assert total(packed.texts, measure) <= room
        assert all(text.strip() for text in packed.texts)
    assert pack(texts, measure, room=room) == packed


@given(texts=st.lists(SHOWN, min_size=1, max_size=6), cap=st.integers(4, 3000), measure=MEASURES)
def test_no_text_exceeds_the_cap(texts, cap, measure):
    packed = pack(texts, measure, cap=cap)
    assert all(text.strip() and measure(text) <= cap for text in packed.texts)
    assert (packed.left_out > 0) is any(measure(text) > cap for text in texts)


@given(texts=st.lists(TEXT, max_size=6), extra=st.integers(0, 100))
def test_what_fits_is_unchanged(texts, extra):
    packed = pack(
        texts, estimate, room=total(texts) + extra, cap=max(map(estimate, texts), default=0) + extra
    )
    assert (list(packed.texts), packed.left_out) == (texts, 0)


@given(texts=st.lists(SHOWN, min_size=1, max_size=6), room=st.integers(0, 3000))
def test_the_longest_are_cut_first_and_to_one_level(texts, room):
    packed = pack(texts, estimate, room=room)
    whole = [estimate(text) for text, shown in zip(texts, packed.texts, strict=False) if text == shown]
    gone = [estimate(text) for text, shown in zip(texts, packed.texts, strict=False) if text != shown]
    assert not whole or not gone or max(whole) < min(gone)


@given(texts=st.lists(SHOWN, min_size=1, max_size=6))
def test_the_needed_room_is_enough_and_one_token_less_is_not(texts):
    needed = pack(texts, estimate).needed
    assert needed == sum(min(estimate(text), MINIMUM) for text in texts)
    assert pack(texts, estimate, room=needed).texts and not pack(texts, estimate, room=needed - 1).texts


@given(text=SHOWN, level=st.integers(40, 2000))
def test_beginning_and_end_are_kept_and_the_gap_is_told(text, level):
    if estimate(text) <= level:
        return
    shown, gone = cut(text, level, estimate)
    match = GAP.search(shown)
    assert match is not None and match[1] == f"{gone:,}" and gone > 0
    head, tail = shown[: match.start()], shown[match.end() :]
    assert head and text.startswith(head) and text.endswith(tail)
    assert estimate(text) - level <= gone < estimate(text)


def test_two_thirds_are_the_beginning_and_words_stay_whole():
    text = " ".join(f"word{number}" for number in range(2000))
    shown, gone = cut(text, 600, estimate)
    head, tail = re.split(r"\n\n\[.*\]\n\n", shown)
    assert head.split() == text.split()[: len(head.split())]
    assert tail.split() == text.split()[-len(tail.split()) :]
    assert 1.8 < len(head) / len(tail) < 2.2
    assert 580 <= estimate(shown) <= 600 and "[… about 3," in shown and gone > 3000


def test_a_cut_near_the_end_of_a_line_is_made_there():
    text = "\n".join(f"{number}. " + "x" * 70 for number in range(200))
    shown, _ = cut(text, 500, estimate)
    head, tail = re.split(r"\n\n\[.*\]\n\n", shown)
    assert set(head.split("\n")) | set(tail.split("\n")) <= set(text.split("\n"))


def test_short_ones_stay_whole_beside_a_long_one():
    texts = ["short " * 30, "long " * 4000, "middling " * 100]
    packed = pack(texts, estimate, room=1000)
    assert (packed.texts[0], packed.texts[2]) == (texts[0], texts[2])
    assert "tokens left out" in packed.texts[1] and total(packed.texts) >= 950


def test_two_long_ones_share_what_is_left():
    packed = pack(["a " * 4000, "b " * 8000, "c"], estimate, room=1001)
    assert [estimate(text) // 50 for text in packed.texts] in ([9, 9, 0], [10, 10, 0])


@pytest.mark.parametrize(("cap", "shown"), [(1, "one"), (2, "one two"), (12, "one two three […]")])
def test_a_cap_too_small_for_the_long_words_still_shows_the_beginning(cap, shown):
    text = "one two three four five six seven eight nine ten " * 20
    packed = pack([text], estimate, cap=cap)
    assert packed.texts[0].startswith(shown.split(" […]")[0][: 4 * cap])
    assert ("[…]" in packed.texts[0]) is ("[…]" in shown) and estimate(packed.texts[0]) <= cap


def test_of_nothing_there_is_nothing_to_pack():
    assert pack([], estimate, room=0) == ((), 0, 0)
    assert pack([], estimate, room=-1).texts == ()
