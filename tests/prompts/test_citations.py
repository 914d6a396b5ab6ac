"""Which references the marks of an answer lead to, and which marks lead to none."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moakit.prompts.citations import citations_in


@pytest.mark.parametrize(
    ("text", "places", "false", "clean"),
    [
        ("Blue [1].", (0,), 0, "Blue [1]."),
        ("Blue[2], then red [1][2], red [2].", (1, 0), 0, None),
        ("Both [1, 2] say so [1,3].", (0, 1, 2), 0, None),
        ("Blue [4].", (), 1, "Blue."),
        ("Blue[9]. Red [1] [8][7]!", (0,), 3, "Blue. Red [1]!"),
        ("[9] First.\n  [9] Second.", (), 2, " First.\n   Second."),
        ("- [9] item", (), 1, "- item"),
        ("Between [1, 9] and [0, 1], [0], [01], [-1], [1.5].", (), 0, None),
        ("In [2024] and [1000]", (), 0, None),
        ("See [4](https://a.b), [x][1], [^4], [a].", (0,), 0, None),
        ("\\sqrt[5]{x}", (), 0, None),
        ("Use `x[7]` and ``a ` b[8]`` or ` alone [9].", (), 1, "Use `x[7]` and ``a ` b[8]`` or ` alone."),
        ("`a[7]` or ``b[8]`` [9]", (), 1, "`a[7]` or ``b[8]``"),
        ("```py\nx[7]\n```\nafter [7]", (), 1, "```py\nx[7]\n```\nafter"),
        ("- item\n      ```\n      x[7]\n      ```\n", (), 0, None),
        ("~~~~\nx[7]\n~~~\ny[8]\n~~~~\n[1]", (0,), 0, None),
        ("```\nnever closed [7]", (), 0, None),
        ("[7]: https://a.b\nText [1]", (0,), 0, None),
        ("[7]", (), 0, None),
        ("", (), 0, None),
    ],
)
def test_marks_lead_to_references(text, places, false, clean):
    found = citations_in(text, 3)
    assert found == (places, false, text if clean is None else clean)


def test_without_references_every_mark_is_false():
    assert citations_in("Blue [1].", 0) == ((), 1, "Blue.")


@settings(max_examples=300)
@given(st.text(st.sampled_from("[]1290,`~\n ax(:\\>"), max_size=60), st.integers(0, 12))
def test_what_is_left_has_no_false_marks_and_cites_the_same(text, references):
    found = citations_in(text, references)
    assert all(place < references for place in found.places)
    assert len(found.text) <= len(text) and (found.false or found.text == text)
    if "`" not in text and "~" not in text and found.false:
        again = citations_in(found.text, references)
        assert set(found.places) <= set(again.places)


@pytest.mark.parametrize("piece", ["`", "[1", "[1]", "[9]", "[1, ", "``x", "~~~\n", " [9]", "\t", "> ```"])
def test_its_time_grows_with_the_text(piece):
    text = piece * (400_000 // len(piece))
    started = time.perf_counter()
    citations_in(text, 3)
    assert time.perf_counter() - started < 8
