"""What a layer shows of itself: its repr, its equals, its configuration."""

import pytest

import moakit
from moakit import Agent, Aggregator, Layer, MoA, Proposers, Residual, SelfMoA, Sequential, Template
from moakit.models.demo import DemoModel


class Keep(Layer):
    def __init__(self, count, judge, *, name=""):
        self.count = count
        self.judge = judge
        self.name = name


def test_the_repr_nests_as_the_layers_do():
    team = Proposers("demo/planner", Agent("demo/skeptic", temperature=0.9, samples=2), quorum=2)
    ensemble = Sequential(
        team,
        team,
        Residual(MoA(["demo/planner"], "demo/editor")),
        Keep(2, Agent("demo/skeptic", system="Be strict"), name="best"),
        Aggregator(Agent("demo/editor", fallback="demo/planner", extra={"k": 1}), prompt="together"),
        name="deep",
        deadline=30,
    )
    assert (
        repr(ensemble)
        == str(ensemble)
        == """\
Sequential(name='deep', deadline=30
  (0-1): 2 x Proposers(quorum=2
    (0): Agent('demo/planner')
    (1): Agent('demo/skeptic', temperature=0.9, samples=2)
  )
  (2): Residual(
    (0): MoA(
      (0): Proposers(
        (0): Agent('demo/planner')
      )
      (1): Aggregator(
        (0): Agent('demo/editor')
      )
    )
  )
  (3): Keep(count=2, name='best'
    (0): Agent('demo/skeptic', system='Be strict')
  )
  (4): Aggregator(prompt='together'
    (0): Agent('demo/editor', fallback=['demo/planner'], extra={'k': 1})
  )
)"""
    )


def test_the_repr_shows_no_key():
    lab = moakit.Provider("lab", base_url="http://127.0.0.1:1/v1", api_key="sk-canary")
    ensemble = MoA([lab("a")], lab("b"))
    for shown in (repr(ensemble), repr(lab), repr(ensemble["0.0"].bound), str(ensemble.to_config())):
        assert "canary" not in shown
    assert repr(lab) == "Provider('lab', base_url='http://127.0.0.1:1/v1', api_key='***')"


def test_equal_layers_are_those_built_alike():
    assert MoA(["demo/planner"], "demo/editor") == MoA(["demo/planner"], "demo/editor")
    assert Agent("demo/planner", temperature=0) == Agent(DemoModel("planner"), temperature=0)
    assert Keep(2, Agent("demo/editor")) == Keep(2, Agent("demo/editor"))
    for other in (
        MoA(["demo/planner"], "demo/editor", layers=3),
        MoA(["demo/skeptic"], "demo/editor"),
        MoA(["demo/planner"], "demo/editor", deadline=3),
        MoA(["demo/planner"], "demo/editor", name="x"),
        "MoA",
        None,
    ):
        assert MoA(["demo/planner"], "demo/editor") != other
    assert Keep(2, Agent("demo/editor")) != Keep(3, Agent("demo/editor"))
    assert Agent("demo/planner", temperature=0) != Agent("demo/planner")


def test_equal_layers_have_equal_hashes():
    pairs = [
        (SelfMoA("demo/planner", samples=2), MoA([Agent("demo/planner")], "demo/planner", samples=2)),
        (Sequential("demo/planner"), Sequential(Agent("demo/planner"))),
        (Agent("demo/planner"), Agent("demo/planner")),
    ]
    for one, other in pairs:
        assert one == other
        assert hash(one) == hash(other)
        assert len({one, other}) == 1


def test_layers_whose_prompt_is_a_function_can_be_compared():
    def mine(messages, references, seed):
        return messages

    assert Aggregator("demo/editor", prompt=mine) == Aggregator("demo/editor", prompt=mine)
    assert Aggregator("demo/editor", prompt=mine) != Aggregator("demo/editor")
    assert Aggregator("demo/editor") != Aggregator("demo/editor", prompt=mine)
    assert Sequential("demo/planner", prompt=mine) != Sequential(
        "demo/planner", prompt=lambda *given: given[0]
    )


SAMPLING = {
    "system": "Be brief",
    "temperature": 0.2,
    "top_p": 0.9,
    "max_tokens": 10,
    "seed": 0,
    "reasoning_effort": "low",
    "samples": 2,
    "timeout": 5,
    "fallback": ["demo/skeptic"],
    "extra": {"top_k": 4},
}
WAITING = {"samples": 2, "quorum": 1, "minimum": 2, "grace": 0, "deadline": 9, "max_tokens": 7}
NAMED = {"name": "n", "description": "d", "strict": True}


@pytest.mark.parametrize(
    ("layer", "config"),
    [
        (Agent("demo/planner"), "demo/planner"),
        (Agent("demo/planner", **SAMPLING), {"model": "demo/planner", **SAMPLING}),
        (
            Proposers("demo/planner", "demo/skeptic", **WAITING),
            {"propose": ["demo/planner", "demo/skeptic"], **WAITING},
        ),
        (Aggregator("demo/editor"), {"aggregate": "demo/editor"}),
        (
            Aggregator("demo/editor", prompt=Template(closing="Now."), fallback=["demo/planner"], retries=0),
            {
                "aggregate": {"model": "demo/editor", "fallback": ["demo/planner"]},
                "retries": 0,
                "prompt": {"closing": "Now."},
            },
        ),
        (Residual("demo/planner"), {"residual": "demo/planner"}),
        (
            Sequential("demo/planner", Aggregator("demo/editor"), **NAMED),
            {"layers": ["demo/planner", {"aggregate": "demo/editor"}], **NAMED},
        ),
        (
            Keep(2, Agent("demo/editor")),
            {"layer": "Keep", "count": 2, "judge": "demo/editor", "name": ""},
        ),
    ],
)
def test_every_layer_tells_its_configuration(layer, config):
    assert layer.to_config() == config


def test_a_prompt_that_is_a_function_has_no_configuration():
    with pytest.raises(moakit.MoaError, match="has no configuration"):
        Aggregator("demo/editor", prompt=lambda messages, references, seed: messages).to_config()


def test_a_layer_without_children_is_still_true():
    assert bool(Agent("demo/planner")) and len(Agent("demo/planner")) == 0
