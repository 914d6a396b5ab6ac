"""Several draws from one agent: their number, their seeds, their addresses."""

import pytest

import moakit
from moakit import Aggregator, MoA, Proposers, SelfMoA, Sequential
from moakit.models.demo import DemoModel
from tests.lab import together


def addresses(answer):
    return sorted(call.path for call in answer.calls if call.role == "proposer")


async def test_the_same_agent_twice_in_a_layer_is_two_references_with_two_addresses(up, lab):
    agent = lab("twin")
    answer = await MoA([agent, agent], lab("lead")).run("why")
    assert [reference.path for reference in answer.references] == ["0.0", "0.1"]
    assert {reference.text[:8] for reference in answer.references} == {"twin #1:", "twin #2:"}


async def test_sample_i_of_a_seeded_agent_is_called_with_its_seed_plus_i(up, lab):
    answer = await MoA([lab("a"), lab("b", seed=40, samples=3)], lab("lead", seed=7)).run("why")
    assert addresses(answer) == ["0.0", "0.1#0", "0.1#1", "0.1#2"]
    assert sorted(call.body["seed"] for call in up.of("b")) == [40, 41, 42]
    assert "seed" not in up.of("a")[0].body
    assert up.of("lead")[0].body["seed"] == 7
    assert together(up.calls[:4])


async def test_samples_of_a_layer_draw_from_each_of_its_agents(up, lab):
    team = Proposers(lab("a", seed=1), lab("b"), samples=2)
    answer = await Sequential(team, Aggregator(lab("lead"))).run("why")
    assert [reference.path for reference in answer.references] == ["0.0#0", "0.0#1", "0.1#0", "0.1#1"]
    assert sorted(call.body["seed"] for call in up.of("a")) == [1, 2]


async def test_samples_of_the_layer_and_of_the_agent_multiply(up, lab):
    team = Proposers(lab("a", seed=10, samples=2), samples=3)
    answer = await Sequential(team, Aggregator(lab("lead"))).run("why")
    assert team.shape(0) == team.summary().calls == 6
    assert sorted(call.body["seed"] for call in up.of("a")) == [10, 11, 12, 13, 14, 15]
    assert addresses(answer) == [f"0.0#{sample}" for sample in range(6)]


async def test_an_agent_with_samples_is_a_layer_by_itself(up, lab):
    agent = lab("a", seed=3, samples=2)
    answer = await Sequential(agent, Aggregator(lab("lead"))).run("why")
    assert [reference.path for reference in answer.references] == ["0#0", "0#1"]
    assert sorted(call.body["seed"] for call in up.of("a")) == [3, 4]


async def test_samples_of_an_ensemble_draw_the_whole_ensemble_again(up, lab):
    inner = MoA([lab("a"), lab("b")], lab("c"))
    answer = await Sequential(Proposers(inner, samples=2), Aggregator(lab("lead"))).run("why")
    assert [reference.path for reference in answer.references] == ["0.0#0.1.0", "0.0#1.1.0"]
    assert len(answer.calls) == 7


async def test_seeded_agents_inside_a_sampled_ensemble_are_drawn_with_other_seeds(up, lab):
    inner = Sequential(lab("a", seed=5), lab("b", seed=50))
    await Sequential(Proposers(inner, samples=3), Aggregator(lab("lead"))).run("why")
    assert sorted(call.body["seed"] for call in up.of("a")) == [5, 6, 7]
    assert sorted(call.body["seed"] for call in up.of("b")) == [50, 51, 52]


async def test_self_moa_asks_one_model_and_merges_with_the_same(up, lab):
    answer = await SelfMoA(lab("a", seed=1), samples=4).run("why")
    assert len(up.of("a")) == len(answer.calls) == 5
    assert [call.role for call in answer.calls] == ["proposer"] * 4 + ["aggregator"]
    assert [call.body["seed"] for call in up.calls[:4]] == [1, 2, 3, 4]


async def test_a_layer_that_runs_a_child_again_draws_another_sample(up, lab):
    class Thrice(moakit.Layer):
        def __init__(self, agent):
            self.agent = agent

        async def forward(self, prompt, references, run):
            drawn = [await run(self.agent, prompt, references) for _ in range(3)]
            return tuple(response for responses in drawn for response in responses)

    answer = await Sequential(Thrice(lab("a", seed=20)), Aggregator(lab("lead"))).run("why")
    assert [reference.path for reference in answer.references] == ["0.0", "0.0#1", "0.0#2"]
    assert [call.body["seed"] for call in up.of("a")] == [20, 21, 22]


@pytest.mark.parametrize("samples", [0, -1, 1.5, "2"])
def test_samples_that_are_no_count_are_refused(samples):
    with pytest.raises(moakit.ConfigError, match="samples"):
        Proposers(DemoModel("planner"), samples=samples)
    with pytest.raises(moakit.ConfigError, match="samples"):
        moakit.Agent(DemoModel("planner"), samples=samples)
