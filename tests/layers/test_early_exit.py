"""Proposals that agree end their layer: who is not waited for, and what the run says of it."""

import pytest

import moakit
from moakit import LayerFinished, MoA, Proposers, SelfMoA, Sequential


@pytest.mark.parametrize("hedge", [False, True])
async def test_proposals_that_agree_are_enough(up, lab, hedge):
    team = [lab("say:42"), lab("hang"), lab("say:The_answer_is_42.")]
    answer = await MoA(team, lab("lead"), agreement=0.8, hedge=hedge).run("why")
    assert [reference.text for reference in answer.references] == ["42", "The answer is 42."]
    (dropped,) = answer.failures
    assert (dropped.path, dropped.status) == ("0.1", "cancelled")
    assert "dropped: the proposals agree" in dropped.message
    assert up.of("hang")[0].status == "aborted"


async def test_what_is_dropped_by_choice_degrades_nothing(up, lab):
    ensemble = MoA([lab("say:42"), lab("say:42"), lab("hang")], lab("lead"), agreement=1)
    async with ensemble.stream("why") as stream:
        events = [event async for event in stream]
    assert [event.dropped for event in events if type(event) is LayerFinished and event.path == "0"] == [1]
    assert not stream.answer.degraded and len(stream.answer.failures) == 1


async def test_one_that_failed_before_the_others_agreed_degrades_the_run(up, lab):
    team = [lab("say:42+sleep:0.1"), lab("say:42+sleep:0.1"), lab("hang"), lab("status:401")]
    answer = await MoA(team, lab("lead"), agreement=1, grace=60).run("why")
    assert answer.degraded and [call.status for call in answer.failures] == ["failed", "cancelled"]


async def test_proposals_that_differ_are_all_waited_for(up, lab):
    team = [lab("say:42"), lab("say:43"), lab("say:44+sleep:0.2")]
    answer = await MoA(team, lab("lead"), agreement=0.8).run("why")
    assert len(answer.references) == 3 and not answer.failures


async def test_a_third_may_tip_the_balance(up, lab):
    team = [lab("say:43"), lab("say:42"), lab("say:42+sleep:0.05"), lab("say:42+sleep:0.1"), lab("hang")]
    answer = await MoA(team, lab("lead"), agreement=0.5, quorum=5).run("why")
    assert len(answer.references) == 4


async def test_as_many_as_the_minimum_are_asked_for(up, lab):
    team = [lab("say:42"), lab("say:42"), lab("say:42+sleep:0.2"), lab("hang")]
    answer = await MoA(team, lab("lead"), agreement=0.8, minimum=3, quorum=4).run("why")
    assert len(answer.references) == 3


async def test_it_ends_the_grace_as_well(up, lab):
    team = [lab("say:42"), lab("say:42+sleep:0.2"), lab("hang")]
    answer = await MoA(team, lab("lead"), agreement=0.8, quorum=1, grace=60).run("why")
    assert len(answer.references) == 2 and answer.duration < 30


async def test_when_strict_all_are_waited_for(up, lab):
    team = [Proposers(lab("say:42"), lab("say:42")), lab("say:42+sleep:0.2")]
    answer = await MoA(team, lab("lead"), agreement=0.8, strict=True).run("why")
    assert len(answer.references) == 3
    assert len((await MoA(team, lab("lead"), agreement=0.8).run("why")).references) == 2


async def test_samples_that_agree_are_enough(up, lab):
    agent = lab("say:42+hang+times:1")
    for team in (
        SelfMoA(agent, samples=3, agreement=0.9, aggregator=lab("lead"), bench=[lab("x")], quorum=3),
        Sequential(lab("say:42+hang+times:1+2", samples=3), lab("lead"), agreement=0.9, quorum=3),
    ):
        answer = await team.run("why")
        assert len(answer.references) == 2 and not answer.degraded and not up.of("x")


async def test_a_nested_ensemble_that_is_not_needed_is_dropped_by_choice(up, lab):
    inner = MoA([lab("hang"), MoA([lab("hang")], lab("x"))], lab("y"))
    answer = await MoA([lab("say:42"), lab("say:42"), inner], lab("lead"), agreement=1).run("why")
    assert not answer.degraded and len(answer.failures) == 2
    assert all("the proposals agree" in call.message for call in answer.failures)


async def test_a_nested_ensemble_takes_the_agreement_of_the_one_around_it(up, lab):
    inner = MoA([lab("say:42"), lab("say:42"), lab("hang")], lab("merge"))
    answer = await MoA([inner], lab("lead"), agreement=1).run("why")
    assert answer.text and len(answer.failures) == 1


async def test_a_measure_of_ones_own_decides(up, lab):
    seen = []

    def measure(texts):
        seen.append(texts)
        return 1.0 if len(set(texts)) < len(texts) else 0.0

    team = [lab("say:a"), lab("say:b+sleep:0.05"), lab("say:a+sleep:0.1"), lab("hang")]
    answer = await MoA(team, lab("lead"), agreement=0.5, measure=measure, quorum=4).run("why")
    assert len(answer.references) == 3 and seen == [("a", "b"), ("a", "b", "a")]


async def test_a_measure_without_an_agreement_is_not_asked(up, lab):
    answer = await MoA([lab("say:a"), lab("say:a")], lab("lead"), measure=lambda texts: 1 / 0).run("why")
    assert len(answer.references) == 2


async def test_what_a_measure_raises_is_the_runs_error(up, lab):
    ensemble = MoA([lab("say:a"), lab("say:a"), lab("hang")], lab("lead"), agreement=1)
    team = Proposers(*ensemble[0].layers, measure=lambda texts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await Sequential(team, lab("lead"), agreement=1).run("why")
    assert not up.of("lead")
    with pytest.raises(moakit.ConfigError, match="measure returned 'high', not a number"):
        await Sequential(ensemble[0], lab("lead"), agreement=1, measure=lambda texts: "high").run("why")
