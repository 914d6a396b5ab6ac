"""The layers that choose by how alike references are: the most different ones, all but the outliers."""

import pytest

from moakit import (
    Aggregator,
    ConfigError,
    Diverse,
    MoaError,
    OutlierFilter,
    Proposers,
    Response,
    Sequential,
    ShapeError,
)
from moakit.layers.likeness import likeness, most_alike
from tests.lab import references_in


def chosen(lab, layer, *texts):
    return Sequential(Proposers(*(lab(f"say:{text}") for text in texts)), layer, Aggregator(lab("lead")))


async def kept(up, lab, layer, *texts):
    ensemble = chosen(lab, layer, *texts)
    answer = await ensemble.run("why")
    texts = [reference.text for reference in answer.references]
    assert references_in(up.of("lead")[-1]) == texts and answer.degraded is False
    assert ensemble.summary().calls == len(answer.calls) and len(texts) == layer.shape(len(answer.layers[0]))
    return texts


def same_first_letter(texts):
    one, other = texts
    return 1.0 if one[0] == other[0] else 0.0


async def test_those_that_differ_most_stay_in_the_order_they_were_declared(up, lab):
    texts = ("the_sky_is_blue", "the_sky_is_blue_today", "it_scatters_light", "the_sky_is_so_blue")
    assert await kept(up, lab, Diverse(2), *texts) == ["the sky is blue", "it scatters light"]
    assert await kept(up, lab, Diverse(3), *texts) == [
        "the sky is blue",
        "it scatters light",
        "the sky is so blue",
    ]


async def test_a_measure_of_ones_own_says_what_differs(up, lab):
    texts = ("alpha", "apple", "beta", "axe", "bus", "car")
    assert await kept(up, lab, Diverse(3, measure=same_first_letter), *texts) == ["alpha", "beta", "car"]


async def test_the_one_that_stands_alone_is_dropped(up, lab):
    texts = ("the_sky_is_blue", "trust_me_buy_gold", "the_sky_is_blue_today", "blue_is_the_sky")
    assert await kept(up, lab, OutlierFilter(), *texts) == [
        "the sky is blue",
        "the sky is blue today",
        "blue is the sky",
    ]


async def test_several_are_dropped_one_after_the_other(up, lab):
    texts = ("aaa", "b", "aa", "bb", "a", "cc")
    layer = OutlierFilter(drop=3, measure=same_first_letter)
    assert await kept(up, lab, layer, *texts) == ["aaa", "aa", "a"]


async def test_two_always_stay(up, lab):
    assert await kept(up, lab, OutlierFilter(drop=9), "a_b", "a_b_c", "x") == ["a b", "a b c"]
    assert await kept(up, lab, OutlierFilter(), "one", "two") == ["one", "two"]
    assert await kept(up, lab, OutlierFilter(), "one") == ["one"]


async def test_of_equal_ones_the_shorter_is_dropped_then_the_later(up, lab):
    assert await kept(up, lab, OutlierFilter(), "one", "three", "four") == ["three", "four"]
    assert await kept(up, lab, OutlierFilter(), "one", "two", "six") == ["one", "two"]


async def test_what_a_measure_raises_is_the_runs_error(up, lab):
    with pytest.raises(ZeroDivisionError):
        await chosen(lab, OutlierFilter(measure=lambda texts: 1 / 0), "a", "b", "c").run("why")
    with pytest.raises(ConfigError, match="measure returned 'high', not a number"):
        await chosen(lab, Diverse(1, measure=lambda texts: "high"), "a", "b", "c").run("why")


async def test_they_select_among_samples_and_inside_other_layers(up, lab):
    inner = Sequential(Proposers(lab("say:a_b"), lab("say:a_c"), lab("say:x")), OutlierFilter())
    answer = await Sequential(Proposers(inner, samples=2), Diverse(1), Aggregator(lab("lead"))).run("why")
    assert [len(layer) for layer in answer.layers] == [4, 1, 1]


def test_their_shapes_are_known_when_the_references_are():
    assert Diverse(2).shape(None) is None and Diverse(1).shape(None) == 1 and Diverse(3).shape(2) == 2
    assert OutlierFilter().shape(None) is None
    assert [OutlierFilter(drop=2).shape(count) for count in (1, 2, 3, 4, 5)] == [1, 2, 2, 2, 3]
    for layer in (Diverse(2), OutlierFilter()):
        assert layer.plan(9) == layer.plan(None) == layer.plan() == (0, 0)
        with pytest.raises(ShapeError, match="has no references"):
            layer.shape(0)


def test_a_measure_has_no_configuration():
    for layer in (Diverse(2, measure=same_first_letter), OutlierFilter(measure=same_first_letter)):
        with pytest.raises(MoaError, match="a measure is a function"):
            layer.to_config()
        assert layer == type(layer)(2 if isinstance(layer, Diverse) else 1, measure=same_first_letter)
    assert repr(Diverse(2)) == "Diverse(keep=2)" and repr(OutlierFilter()) == "OutlierFilter()"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Diverse(0), "Diverse: keep = 0"),
        (lambda: Diverse(2, measure=3), "measure = 3 is not a function"),
        (lambda: OutlierFilter(drop=-1), "OutlierFilter: drop = -1"),
        (lambda: OutlierFilter(measure="words"), "measure = 'words' is not a function"),
    ],
)
def test_what_they_cannot_be_is_refused(make, problem):
    with pytest.raises(ConfigError, match=problem):
        make()


def test_those_most_alike_are_named_in_their_order():
    references = [Response(text=text) for text in ("ten", "it is four I think", "it is four", "four it is")]
    assert most_alike(references, 2) == [1, 2]
    table = likeness(references)
    assert table[1][2] == table[2][1] > table[0][1] == 0.0 and table[1][1] == 0.0
