"""The layers that change the order of references, or their length, and lose none."""

import pytest

from moakit import (
    Aggregator,
    ConfigError,
    Delta,
    Layer,
    Proposers,
    Residual,
    Sequential,
    ShapeError,
    Shuffle,
    Truncate,
)
from moakit.models.tokens import estimate
from tests.lab import references_in


class Nothing(Layer):
    """Gives no references."""

    async def forward(self, prompt, references, run):
        return ()


LETTERS = "abcdef"


def team(lab, *names):
    return Proposers(*(lab(f"say:{name}") for name in names))


async def order(up, lab, seed):
    ensemble = Sequential(team(lab, *LETTERS), Shuffle(seed), Aggregator(lab("lead")))
    answer = await ensemble.run("why")
    assert ensemble.summary().calls == len(answer.calls) == 7 and answer.degraded is False
    assert [reference.text for reference in answer.references] == references_in(up.of("lead")[-1])
    return references_in(up.of("lead")[-1])


async def test_the_order_is_another_one_the_same_for_every_run_with_a_seed(up, lab):
    first = await order(up, lab, 1)
    assert sorted(first) == list(LETTERS) != first
    assert await order(up, lab, 1) == first != await order(up, lab, 2)


async def test_samples_are_shuffled_with_seeds_that_move_on(up, lab):
    inner = Sequential(team(lab, *LETTERS), Shuffle(1), Aggregator(lab("lead")))
    await Sequential(Proposers(inner, samples=2), Aggregator(lab("last"))).run("why")
    shuffled = [references_in(call) for call in up.of("lead")]
    assert sorted(shuffled) == sorted([await order(up, lab, 1), await order(up, lab, 2)])


async def test_long_references_are_cut_in_their_middle_and_say_so(up, lab):
    ensemble = Sequential(
        Proposers(lab("tokens:900"), lab("say:short")), Truncate(100), Aggregator(lab("lead"))
    )
    answer = await ensemble.run("why")
    long, short = answer.references
    assert short is answer.layers[0][1]
    assert long.text.startswith("w1 w2") and long.text.endswith("w900") and "tokens left out …]" in long.text
    assert estimate(long.text) <= 100 < estimate(answer.layers[0][0].text)
    assert (long.model, long.path, long.usage) == ("lab/tokens:900", "0.0", answer.layers[0][0].usage)
    assert references_in(up.of("lead")[0])[0].startswith("w1 w2")
    assert answer.degraded is False and ensemble.summary().calls == len(answer.calls) == 3


async def test_one_reference_cut_at_the_tail_is_the_answer(up, lab):
    async with Sequential(lab("tokens:900"), Truncate(50)).stream("why") as stream:
        told = [event.text async for event in stream if isinstance(event, Delta) and event.answer]
    assert told == [stream.answer.text] and estimate(stream.answer.text) <= 50


async def test_they_stand_inside_other_layers(up, lab):
    first = team(lab, "a", "b")
    layers = (first, Residual(Sequential(Shuffle(3), Truncate(9))), Aggregator(lab("lead")))
    answer = await Sequential(*layers).run("why")
    assert sorted(reference.text for reference in answer.references) == ["a", "a", "b", "b"]


async def test_without_references_there_is_nothing_to_do(up, lab):
    layers = (Proposers(lab("status:401")), Shuffle(), Truncate(9), Aggregator(lab("say:alone")))
    assert (await Sequential(*layers, on_no_references="answer").run("why")).text == "alone"
    with pytest.raises(ShapeError, match="layer 1: Shuffle has no references"):
        await Sequential(Nothing(), Shuffle()).run("why")


def test_as_many_come_out_as_go_in():
    for layer in (Shuffle(), Truncate(9)):
        assert [layer.shape(count) for count in (None, 1, 4)] == [None, 1, 4]
        with pytest.raises(ShapeError, match="has no references"):
            layer.shape(0)
        assert layer.plan(4) == (0, 0)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Shuffle("x"), "seed = 'x' is not a whole number"),
        (lambda: Shuffle(True), "seed = True"),
        (lambda: Truncate(0), "tokens = 0 is not a whole number, 1 or more"),
        (lambda: Truncate(1.5), "tokens = 1.5"),
    ],
)
def test_what_they_cannot_be_is_refused(make, problem):
    with pytest.raises(ConfigError, match=problem):
        make()
