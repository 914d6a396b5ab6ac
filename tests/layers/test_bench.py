"""The bench of a layer of proposers: what it is part of, what it is not, and whose place it takes."""

import pytest

import moakit
from moakit import (
    Agent,
    Aggregator,
    ConfigError,
    MoA,
    NotEnoughResponses,
    Proposers,
    SelfMoA,
    Sequential,
    ShapeError,
    from_config,
)
from moakit.observe.openwebui import tail_of

TEAM = ["demo/planner", "demo/skeptic"]


def paths(responses):
    return [response.path for response in responses]


def test_the_bench_stands_after_the_proposers():
    layer = MoA(TEAM, "demo/editor", bench=["demo/storyteller", Agent("demo/editor", seed=1)])
    assert [path for path, _ in layer.named_layers()] == ["", "0", "0.0", "0.1", "0.2", "0.3", "1", "1.0"]
    assert layer["0.2"].model == "demo/storyteller" and layer["0.3"].seed == 1
    assert len(layer[0]) == 4


def test_the_repr_says_who_is_on_the_bench():
    layer = Proposers(*TEAM, bench=["demo/storyteller", "demo/editor", "demo/editor"], quorum=2)
    assert (
        repr(layer)
        == """\
Proposers(quorum=2
  (0): Agent('demo/planner')
  (1): Agent('demo/skeptic')
  (2): bench: Agent('demo/storyteller')
  (3-4): bench: 2 x Agent('demo/editor')
)"""
    )


def test_the_bench_is_neither_in_the_shape_nor_in_the_plan():
    alone = MoA(TEAM, "demo/editor")
    layer = MoA(TEAM, "demo/editor", bench=["demo/storyteller"] * 3)
    assert layer[0].shape(0) == 2
    assert layer.plan() == alone.plan() and layer.summary().calls == 3
    assert str(layer.summary()) == str(alone.summary())


def test_nobody_on_the_bench_stands_at_the_tail():
    tail = tail_of(Sequential(Proposers("demo/planner", bench=["demo/skeptic"])))
    assert tail is not None and tail.model == "demo/planner"


def test_a_price_nobody_knows_on_the_bench_does_not_hide_what_a_run_costs():
    lab = moakit.Provider("lab", base_url="http://127.0.0.1:1/v1", api_key="k", price=1)
    dear = moakit.Provider("dear", base_url="http://127.0.0.1:1/v1", api_key="k")
    alone = MoA([lab("a"), lab("b")], lab("lead")).summary()
    assert alone.cost
    assert MoA([lab("a"), lab("b")], lab("lead"), bench=[dear("c")]).summary().cost == alone.cost
    own = MoA([moakit.Residual(Proposers(lab("a"), lab("b"), bench=[dear("c")]))], lab("lead")).summary()
    assert own.cost


def test_a_layer_of_ones_own_may_have_children_nobody_plans_with():
    class First(moakit.Layer):
        def __init__(self, *agents):
            self.agents = agents

        def planned(self):
            return self.agents[:1]

    own = First(Agent("demo/planner"), Agent("demo/skeptic"))
    assert own.plan().calls == own.summary().calls == 1 and len(own) == 2


def test_the_configuration_holds_the_bench():
    layer = MoA(TEAM, "demo/editor", bench=["demo/storyteller", Agent("demo/editor", seed=1)])
    bench = ["demo/storyteller", {"model": "demo/editor", "seed": 1}]
    assert layer.to_config() == {"proposers": TEAM, "aggregator": "demo/editor", "bench": bench}
    assert layer[0].to_config() == {"propose": TEAM, "bench": bench}
    assert from_config(layer.to_config()) == layer and from_config(layer[0].to_config()) == layer[0]
    assert layer != MoA(TEAM, "demo/editor")


def test_a_measure_is_code_and_has_no_configuration():
    for layer in (MoA(TEAM, "demo/editor", measure=max), Proposers(*TEAM, measure=max)):
        with pytest.raises(moakit.MoaError, match="a measure is a function, so it has no configuration"):
            layer.to_config()
    assert Proposers(*TEAM, measure=max) == Proposers(*TEAM, measure=max) != Proposers(*TEAM)


def test_one_of_the_bench_is_replaced_like_any_layer():
    layer = MoA(TEAM, "demo/editor", bench=["demo/storyteller", "demo/planner"])
    again = layer.replace("0.2", "demo/editor")
    assert [agent.model for agent in again[0].bench] == ["demo/editor", "demo/planner"]
    assert [agent.model for agent in again[0].layers] == TEAM
    assert layer[0].with_child(0, Agent("demo/editor")).bench == layer[0].bench
    with pytest.raises(ConfigError, match="demo/editor on the bench has samples = 2"):
        layer.replace("0.3", Agent("demo/editor", samples=2))


@pytest.mark.parametrize(
    ("bench", "message"),
    [
        ("demo/editor", "bench = 'demo/editor' is not a list"),
        (None, "bench = None is not a list"),
        ([3], "3 is not a layer"),
        ([Agent("demo/editor", samples=2)], "samples = 2 .*name it several times"),
    ],
)
def test_what_is_no_bench_is_refused(bench, message):
    with pytest.raises(ConfigError, match=message):
        MoA(TEAM, "demo/editor", bench=bench)


def test_one_that_cannot_stand_there_is_refused():
    with pytest.raises(ShapeError, match="no references to aggregate"):
        Sequential(Proposers(*TEAM, bench=[Aggregator("demo/editor")]), "demo/editor").summary()


def test_a_near_miss_is_told():
    with pytest.raises(ConfigError, match="did you mean 'bench'"):
        MoA(TEAM, "demo/editor", bnch=[])


async def test_the_next_of_the_bench_takes_the_place_of_one_that_failed(up, lab):
    team = [lab("a"), lab("status:401"), lab("b")]
    answer = await MoA(team, lab("lead"), bench=[lab("c"), lab("d")]).run("why")
    assert paths(answer.references) == ["0.0", "0.3", "0.2"]
    assert [response.role for response in answer.references] == ["proposer"] * 3
    assert [(call.path, call.status) for call in answer.failures] == [("0.1", "failed")]
    assert answer.degraded
    assert not up.of("d")


async def test_nobody_on_the_bench_is_asked_while_nothing_fails(up, lab):
    answer = await MoA([lab("a"), lab("b")], lab("lead"), bench=[lab("c")]).run("why")
    assert len(answer.calls) == 3 and not answer.degraded and not up.of("c")


async def test_fallbacks_and_retries_come_first(up, lab):
    team = [lab("status:503", fallback=lab("status:401")), lab("reset+times:1"), lab("a")]
    answer = await MoA(team, lab("lead"), bench=[lab("b")], retries=1).run("why")
    assert paths(answer.references) == ["0.3", "0.1", "0.2"]
    assert len(up.of("status:503")) == 2 and len(up.of("status:401")) == 1 and len(up.of("b")) == 1
    assert up.of("b")[0].at >= up.of("status:401")[0].finished_at


async def test_each_of_the_bench_is_asked_once_in_a_layer(up, lab):
    team = [lab("status:401"), lab("status:403"), lab("a")]
    answer = await MoA(team, lab("lead"), layers=3, bench=[lab("b")]).run("why")
    assert [len(layer) for layer in answer.layers] == [2, 2, 1]
    assert len(up.of("b")) == 2
    assert sorted(call.path for call in answer.calls if call.model == "lab/b") == ["0.3", "1.3"]


async def test_one_of_the_bench_that_fails_is_replaced_by_the_next(up, lab):
    team = [lab("a"), lab("status:401")]
    answer = await MoA(team, lab("lead"), bench=[lab("status:403"), lab("empty"), lab("b")]).run("why")
    assert paths(answer.references) == ["0.0", "0.4"]
    assert [call.path for call in answer.failures] == ["0.1", "0.2", "0.3"]


async def test_with_samples_each_of_the_bench_stands_in_for_one_draw(up, lab):
    ensemble = SelfMoA(
        lab("status:401+times:2", seed=1), aggregator=lab("lead"), samples=3, bench=[lab("b", seed=9)]
    )
    answer = await ensemble.run("why")
    assert len(answer.references) == 2 and len(up.of("b")) == 1
    assert up.of("b")[0].body["seed"] == 9
    assert sorted(call.path for call in answer.calls if call.role == "proposer") == [
        "0.0#0", "0.0#1", "0.0#2", "0.1",
    ]  # fmt: skip


async def test_an_ensemble_sits_on_the_bench_and_stands_in_for_one(up, lab):
    inner = MoA([lab("x"), lab("y")], lab("merge"))
    answer = await MoA([lab("a"), MoA([lab("status:401")], lab("z"))], lab("lead"), bench=[inner]).run("why")
    assert paths(answer.references) == ["0.0", "0.2.1.0"]
    assert not up.of("z") and answer.degraded


async def test_what_was_made_up_for_does_not_count_against_the_minimum(up, lab):
    team = [lab("status:401"), lab("a"), lab("status:403")]
    answer = await MoA(team, lab("lead"), minimum=3, bench=[lab("b"), lab("c")]).run("why")
    assert paths(answer.references) == ["0.3", "0.1", "0.4"]
    with pytest.raises(NotEnoughResponses, match="only 2 of the 3 proposers that are needed"):
        await MoA(team, lab("lead"), minimum=3, bench=[lab("b")]).run("why")


async def test_when_the_bench_is_empty_every_cause_is_told(up, lab):
    ensemble = MoA([lab("status:401"), lab("empty")], lab("lead"), bench=[lab("status:403"), lab("filter")])
    with pytest.raises(NotEnoughResponses, match="no proposer answered") as caught:
        await ensemble.run("why")
    models = [error.model for error in caught.value.exceptions]
    assert sorted(models) == ["lab/empty", "lab/filter", "lab/status:401", "lab/status:403"]
    assert not up.of("lead")


async def test_when_strict_the_bench_makes_up_for_failures(up, lab):
    team = [lab("a"), lab("status:401")]
    answer = await MoA(team, lab("lead"), strict=True, bench=[lab("b")]).run("why")
    assert paths(answer.references) == ["0.0", "0.2"]


async def test_when_strict_the_first_failure_that_is_not_made_up_for_fails(up, lab):
    team = [lab("hang"), lab("status:401")]
    with pytest.raises(moakit.CallError, match="lab/empty"):
        await MoA(team, lab("lead"), strict=True, bench=[lab("empty")]).run("why")


async def test_a_mistake_of_the_user_is_not_made_up_for(up, lab):
    class Wrong(moakit.Layer):
        async def forward(self, prompt, references, run):
            raise ConfigError("no such thing")

    with pytest.raises(ConfigError, match="no such thing"):
        await MoA([lab("a"), Wrong()], lab("lead"), bench=[lab("b")]).run("why")
    assert not up.of("b")


async def test_what_failed_without_a_call_and_was_made_up_for_degrades_the_run(up, lab):
    class Wrong(moakit.Layer):
        async def forward(self, prompt, references, run):
            raise moakit.BadResponse("nothing found")

    answer = await MoA([lab("a"), Wrong()], lab("lead"), bench=[lab("b")]).run("why")
    assert answer.degraded and not answer.failures and len(answer.references) == 2


async def test_a_stand_in_sees_the_references_of_the_layer(up, lab):
    ensemble = Sequential(Proposers(lab("a")), Proposers(lab("status:401"), bench=[lab("b")]), lab("lead"))
    await ensemble.run("why")
    assert "a #1: why" in up.of("b")[0].prompt
