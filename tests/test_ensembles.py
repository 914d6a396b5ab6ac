"""Ready-made compositions: what they are made of, and what they refuse."""

import pytest

import moakit
from moakit import Agent, Aggregator, ConfigError, MoA, Proposers, SelfMoA, Sequential
from moakit.models.demo import DemoModel

PLANNER, SKEPTIC, EDITOR = (DemoModel(name, pace=0) for name in ("planner", "skeptic", "editor"))


def test_moa_is_layers_of_proposers_and_an_aggregator():
    ensemble = MoA(["demo/planner", "demo/skeptic"], "demo/editor", layers=4)
    assert isinstance(ensemble, Sequential)
    assert ensemble == MoA(
        [Agent("demo/planner"), Agent("demo/skeptic")], Aggregator("demo/editor"), layers=4
    )
    team = Proposers("demo/planner", "demo/skeptic")
    assert list(ensemble) == [team, team, team, Aggregator("demo/editor")]
    assert ensemble.proposers is ensemble[0] and ensemble.aggregator is ensemble[3]


@pytest.mark.parametrize("layers", [2, 3, 5])
@pytest.mark.parametrize("width", [1, 3])
def test_moa_takes_width_times_layers_minus_one_calls_and_one(layers, width):
    ensemble = MoA([PLANNER] * width, EDITOR, layers=layers)
    assert ensemble.summary().calls == len(ensemble("why").calls) == width * (layers - 1) + 1
    assert ensemble.summary().steps == layers
    assert ensemble.shape(0) == 1


def test_two_layers_are_the_default():
    assert len(MoA([PLANNER], EDITOR)) == 2


def test_settings_go_where_they_belong():
    ensemble = MoA(
        [PLANNER, SKEPTIC], EDITOR, samples=2, max_tokens=9, quorum=3, minimum=2, grace=1, fallback=SKEPTIC,
        deadline=30, retries=1, strict=False, prompt="together", multiturn=False, timeout=20,
        on_no_references="answer", on_no_aggregator="best", name="panel", description="Two and one",
    )  # fmt: skip
    assert ensemble[0].options() == {"samples": 2, "max_tokens": 9, "quorum": 3, "minimum": 2, "grace": 1}
    assert ensemble["1.0"].options() == {"fallback": ["demo/skeptic"]}
    assert ensemble.options() == {
        "name": "panel", "description": "Two and one", "deadline": 30, "retries": 1, "strict": False,
        "prompt": "together", "multiturn": False, "timeout": 20, "on_no_references": "answer",
        "on_no_aggregator": "best",
    }  # fmt: skip
    assert ensemble.title == "panel"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo/planner", "demo/editor"), "MoA: proposers is one string .*pass a list"),
        ((Proposers(PLANNER), EDITOR), "MoA: proposers is one layer, Proposers .*Sequential"),
        ((Agent(PLANNER), EDITOR), "MoA: proposers is one layer, Agent"),
        (([], EDITOR), "Proposers needs at least one proposer"),
        (([PLANNER, 3], EDITOR), "3 is not a layer"),
        (([PLANNER], None), "None is not a layer"),
    ],
)
def test_what_are_no_proposers_or_aggregator_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        MoA(*arguments)


@pytest.mark.parametrize("layers", [1, 0, -2, 2.0, "3", True, None])
def test_a_depth_below_two_is_refused(layers):
    with pytest.raises(ConfigError, match=r"layers = .*2 is proposers, then aggregator"):
        MoA([PLANNER], EDITOR, layers=layers)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quorum": 4}, "quorum = 4 of only 3 proposers"),
        ({"samples": 0}, "samples = 0 is not a whole number"),
        ({"deadline": -1}, "deadline = -1"),
        ({"on_no_references": "ignore"}, "on_no_references = 'ignore' is not 'error' or 'answer'"),
        ({"prompt": "togther"}, "did you mean 'together'"),
        ({"layer": 3}, "unknown setting 'layer'"),
        ({"dedline": 3}, r"unknown setting 'dedline' \(did you mean 'deadline'\?\)"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        MoA([PLANNER] * 3, EDITOR, **settings)


def test_self_moa_samples_one_model():
    ensemble = SelfMoA("demo/planner", samples=3, layers=3, deadline=9)
    assert ensemble == MoA(["demo/planner"], "demo/planner", samples=3, layers=3, deadline=9)
    assert SelfMoA("demo/planner").summary().calls == 5
    other = SelfMoA(Agent("demo/planner", temperature=0.9), aggregator="demo/editor")
    assert other["0.0"].temperature == 0.9 and other["1.0"].model == "demo/editor"


def test_the_short_form_of_the_configuration_is_told():
    assert MoA(["demo/planner"], "demo/editor").to_config() == {
        "proposers": ["demo/planner"],
        "aggregator": "demo/editor",
    }
    ensemble = MoA(
        [Agent("demo/planner", temperature=0.9), MoA(["demo/skeptic"], "demo/editor")],
        Aggregator("demo/editor", prompt="together"),
        layers=3, samples=2, quorum=2, deadline=30, name="panel",
    )  # fmt: skip
    assert ensemble.to_config() == {
        "name": "panel",
        "proposers": [
            {"model": "demo/planner", "temperature": 0.9},
            {"proposers": ["demo/skeptic"], "aggregator": "demo/editor"},
        ],
        "aggregator": {"aggregate": "demo/editor", "prompt": "together"},
        "layers": 3,
        "samples": 2,
        "quorum": 2,
        "deadline": 30,
    }


@pytest.mark.parametrize(
    "ensemble",
    [
        MoA(
            ["demo/planner", Agent("demo/skeptic", seed=1, samples=2)],
            "demo/editor",
            layers=3,
            quorum=2,
            name="x",
        ),
        SelfMoA("demo/planner", samples=3),
        Sequential(
            Proposers("demo/planner"), moakit.Residual("demo/skeptic"), Aggregator("demo/editor"), strict=True
        ),
        Agent(
            "demo/planner",
            system="Be brief",
            fallback=[Agent("demo/skeptic", temperature=1)],
            extra={"k": [1]},
        ),
        MoA(["demo/planner"], "demo/editor", fallback="demo/skeptic", prompt=moakit.Template(closing="Now.")),
    ],
)
def test_a_configuration_makes_the_same_ensemble_again(ensemble):
    again = moakit.from_config(ensemble.to_config())
    assert again == ensemble and again.to_config() == ensemble.to_config()


def test_the_readme_example_of_the_design_runs():
    ensemble = moakit.MoA(proposers=[PLANNER, SKEPTIC, PLANNER], aggregator=EDITOR, layers=2)
    answer = ensemble("What is the meaning of life?")
    assert "3 references" in answer.text
    with ensemble.stream("What is the meaning of life?") as stream:
        assert "".join(stream.text) == answer.text
    assert ensemble["0.2"] == Agent(PLANNER)
    assert ensemble.replace("0.2", "demo/storyteller")["0.2"].model == "demo/storyteller"
