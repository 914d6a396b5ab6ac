"""How many references go in and come out: checked when built where it is known, else when it runs."""

import pytest

import moakit
from moakit import Aggregator, Layer, MoA, Proposers, Residual, Sequential, ShapeError
from moakit.models.demo import DemoModel

PLANNER, SKEPTIC, EDITOR = (DemoModel(name, pace=0) for name in ("planner", "skeptic", "editor"))


class Keep(Layer):
    """Keeps the first few references; how many there are is known only when it runs."""

    def __init__(self, count):
        self.count = count

    async def forward(self, prompt, references, run):
        return references[: self.count]


class Pair(Layer):
    """Takes exactly two references."""

    async def forward(self, prompt, references, run):
        return references[:1]

    def shape(self, references):
        if references not in (None, 2):
            raise ShapeError(f"Pair takes two references, not {references}")
        return 1


def test_layers_that_do_not_fit_are_refused_when_built():
    with pytest.raises(ShapeError, match="layer 1: Pair takes two references, not 3"):
        Sequential(Proposers(PLANNER, SKEPTIC, EDITOR), Pair())
    with pytest.raises(ShapeError, match="layer 1: layer 0: Pair takes two references, not 1"):
        Sequential(Proposers(PLANNER), Sequential(Pair(), EDITOR))
    assert Sequential(Proposers(PLANNER, SKEPTIC), Pair()).shape(0) == 1


def test_an_aggregator_gives_one_response():
    assert Aggregator(EDITOR).shape(7) == 1
    with pytest.raises(ShapeError, match="gives 3"):
        Aggregator(moakit.Agent(EDITOR, samples=3))
    with pytest.raises(ShapeError, match="gives 2"):
        MoA([PLANNER], Proposers(PLANNER, SKEPTIC))


@pytest.mark.parametrize("start", ["run", "stream"])
async def test_an_aggregator_that_stands_first_is_refused_when_run(start):
    alone = Aggregator(EDITOR)
    for ensemble in (alone, Sequential(alone), Sequential(alone, EDITOR), Proposers(alone)):
        with pytest.raises(ShapeError, match="an Aggregator has no references") as caught:
            await ensemble.run("why") if start == "run" else ensemble.stream("why")
        assert "put Proposers before it" in str(caught.value)


def test_an_aggregator_may_stand_first_inside_another_ensemble():
    inner = Sequential(Aggregator(EDITOR), Aggregator(EDITOR))
    assert Sequential(Proposers(PLANNER, SKEPTIC), inner).shape(0) == 1


@pytest.mark.parametrize("start", ["run", "stream"])
async def test_an_ensemble_that_ends_in_several_responses_is_refused_before_any_call(start, up, lab):
    for ensemble in (
        Proposers(lab("a"), lab("b")),
        lab("a", samples=2),
        Sequential(Proposers(lab("a")), Residual(Proposers(lab("b")))),
        Sequential(Proposers(lab("a")), Proposers(lab("b"), samples=2), name="pair"),
    ):
        with pytest.raises(ShapeError, match="ends in 2 responses, not in one"):
            await ensemble.run("why") if start == "run" else ensemble.stream("why")
    assert not up.calls


async def test_several_responses_that_are_known_only_when_it_runs_are_refused_then(up, lab):
    ensemble = Sequential(Proposers(lab("a"), lab("b")), Keep(2), name="pair")
    assert ensemble.shape(0) is None
    with pytest.raises(ShapeError, match="pair ended in 2 responses, not in one"):
        await ensemble.run("why")
    with pytest.raises(ShapeError, match="ended in 0 responses"):
        await Sequential(Proposers(lab("a"), lab("b")), Keep(0)).run("why")
    assert (await Sequential(Proposers(lab("a"), lab("b")), Keep(1)).run("why")).text.startswith("a #")


async def test_what_is_known_only_when_it_runs_is_checked_before_the_next_layer(up, lab):
    team = Proposers(lab("a"), lab("b"), lab("c"))
    with pytest.raises(ShapeError, match="layer 2: Pair takes two references, not 3"):
        await Sequential(team, Keep(3), Pair()).run("why")
    with pytest.raises(ShapeError, match="layer 2: an Aggregator has no references"):
        await Sequential(team, Keep(0), Aggregator(lab("lead"))).run("why")
    assert not up.of("lead")
    assert (await Sequential(team, Keep(2), Pair()).run("why")).text


async def test_one_proposer_alone_is_an_ensemble(up, lab):
    answer = await Proposers(lab("say:alone")).run("why")
    assert answer.text == "alone" and answer.response.path == "0"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Sequential, "Sequential needs at least one layer"),
        (Proposers, "Proposers needs at least one proposer"),
        (lambda: Proposers([PLANNER]), r"Proposers\(\*team\)"),
        (lambda: Proposers(PLANNER, quorum=2), "quorum = 2 of only 1"),
        (lambda: Proposers(PLANNER, minimum=3, samples=2), "minimum = 3 of only 2"),
        (lambda: Proposers(3), "3 is not a layer"),
        (lambda: Residual(None), "None is not a layer"),
    ],
)
def test_what_cannot_be_a_layer_is_refused(build, message):
    with pytest.raises(moakit.ConfigError, match=message):
        build()
