"""The layer that has every reference criticised."""

import asyncio

import pytest

import moakit
from moakit import (
    Aggregator,
    ConfigError,
    Critique,
    MoA,
    NotEnoughResponses,
    Sequential,
    ShapeError,
    Template,
)
from moakit.prompts.critique import HEADING, with_critique, without_critique
from tests.lab import references_in, together, until
from tests.layers.refining import panel, texts


async def test_each_reference_comes_out_word_for_word_with_its_critique(up, lab):
    ensemble = panel(lab, Critique(lab("critic")), lead="lead")
    up.behaves["critic"] = "say:too_short+sleep:0.05"
    answer = await ensemble.run("why")
    given = [with_critique(text, "too short") for text in ("one", "two", "three")]
    assert texts(answer.layers[1]) == given == references_in(up.of("lead")[0])
    assert [one.extra["critique"] for one in answer.layers[1]] == ["too short"] * 3
    assert together(up.of("critic"))
    assert not answer.degraded


async def test_each_call_sees_one_reference_and_what_to_do_with_it(up, lab):
    await panel(lab, Critique(lab("critic")), lead="lead").run("why")
    assert sorted(references_in(call)[0] for call in up.of("critic")) == ["one", "three", "two"]
    assert all(len(references_in(call)) == 1 for call in up.of("critic"))
    (first, *_), question = up.of("critic")[0].messages, up.of("critic")[0].messages[-1]
    assert first["role"] == "system" and "Criticise that response" in first["content"]
    assert question["content"].startswith("why\n\n")


async def test_a_critique_is_counted_in_the_response_and_in_the_answer(up, lab):
    answer = await panel(lab, Critique(lab("say:bad")), lead="lead").run("why")
    roles = [call.role for call in answer.calls]
    assert roles.count("critic") == 3 and {call.path for call in answer.calls if call.role == "critic"} == {
        "1.0#0",
        "1.0#1",
        "1.0#2",
    }
    for place, response in enumerate(answer.layers[1]):
        critic = next(call for call in answer.calls if call.path == f"1.0#{place}")
        assert response.usage == answer.layers[0][place].usage + critic.usage
        assert response.path == f"0.{place}" and response.cost == 0
    assert answer.usage.total_tokens == sum(call.usage.total_tokens for call in answer.calls)


async def test_the_plan_is_what_happens(up, lab):
    ensemble = panel(lab, Critique(lab("critic")), lead="lead")
    answer = await ensemble.run("why")
    assert ensemble.summary().calls == len(answer.calls) == 7 and ensemble.summary().steps == 3
    assert Critique("demo/skeptic").plan(5) == (5, 1)


async def test_a_failed_critique_leaves_the_reference_as_it_is(up, lab):
    up.behaves["critic"] = "status:401+times:1"
    answer = await panel(lab, Critique(lab("critic", fallback=())), lead="lead").run("why")
    plain = [one for one in answer.layers[1] if one.text in ("one", "two", "three")]
    assert len(plain) == 1 and len(answer.layers[1]) == 3 and answer.degraded
    assert [call.role for call in answer.failures] == ["critic"]


async def test_when_all_critiques_fail_the_references_go_on(up, lab):
    answer = await panel(lab, Critique(lab("status:401")), lead="lead", minimum=2).run("why")
    assert texts(answer.layers[1]) == ["one", "two", "three"] and answer.degraded


async def test_a_minimum_of_its_own_is_kept(up, lab):
    with pytest.raises(NotEnoughResponses, match=r"no critic answered \(layer 2\)"):
        await panel(lab, Critique(lab("status:401"), minimum=1), lead="lead").run("why")
    assert not up.of("lead")


async def test_when_strict_a_failed_critique_is_the_runs(up, lab):
    with pytest.raises(moakit.AuthenticationFailed):
        await panel(lab, Critique(lab("status:401"), strict=True), lead="lead").run("why")


async def test_a_late_critique_is_not_waited_for(up, lab):
    critique = Critique(lab("hang"), deadline=0.2)
    answer = await panel(lab, critique, lead="lead").run("why")
    assert texts(answer.layers[1]) == ["one", "two", "three"] and answer.degraded
    assert answer.duration < 4 and {call.status for call in up.of("hang")} == {"aborted"}


async def test_critiques_that_agree_are_all_waited_for(up, lab):
    answer = await panel(lab, Critique(lab("say:same")), "a", "b", lead="lead", agreement=0.5).run("why")
    assert all(one.extra["critique"] == "same" for one in answer.layers[1])


async def test_a_quorum_holds(up, lab):
    up.behaves["critic"] = "say:fine"
    up.behaves["slow"] = "hang"
    critique = Critique(lab("critic"), quorum=2, grace=0.1)
    up.behaves["critic"] = "hang+times:1+say:fine"
    answer = await panel(lab, critique, lead="lead").run("why")
    assert len([one for one in answer.layers[1] if "critique" in one.extra]) == 2 and answer.degraded


async def test_an_ensemble_may_criticise(up, lab):
    critics = MoA([lab("say:wrong"), lab("say:right")], lab("merge"))
    answer = await panel(lab, Critique(critics), "say:only", "say:other", lead="lead").run("why")
    assert all(references_in(call) and "Criticise" in call.prompt for call in up.of("say:wrong"))
    for call in up.of("merge"):
        assert references_in(call)[-2:] == ["wrong", "right"] and "Criticise that response" in call.prompt
    assert len(answer.calls) == panel(lab, Critique(critics), "a", "b", lead="lead").summary().calls


async def test_twice_criticised_it_carries_both_and_can_be_told_apart(up, lab):
    layers = [Critique(lab("say:first")), Critique(lab("say:second"))]
    ensemble = Sequential(moakit.Proposers(lab("say:text"), lab("say:more")), *layers, lab("lead"))
    (response, _) = (await ensemble.run("why")).layers[2]
    assert response.text == f"text{HEADING}first{HEADING}second"
    assert without_critique(response.text, response.extra["critique"]) == "text"


async def test_its_prompt_may_be_replaced(up, lab):
    critique = Critique(
        lab("critic"), prompt=Template(instructions="Roast it.", opening="{mark}", closing="Go.")
    )
    await panel(lab, critique, lead="lead").run("why")
    call = up.of("critic")[0]
    assert call.messages[0]["content"] == "Roast it." and call.prompt.endswith("Go.")
    assert "Roast" not in up.of("lead")[0].prompt


async def test_cancelled_in_the_middle_nothing_is_left_open(up, lab):
    task = asyncio.create_task(panel(lab, Critique(lab("hang")), lead="lead").run("why"))
    await until(lambda: len(up.of("hang")) == 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(1)
    assert {call.status for call in up.of("hang")} == {"aborted"} and not up.of("lead")


async def test_without_proposals_the_aggregator_may_still_answer(up, lab):
    ensemble = panel(lab, Critique(lab("critic")), "status:401", lead="lead", on_no_references="answer")
    answer = await ensemble.run("why")
    assert answer.degraded and not up.of("critic") and up.of("lead")


async def test_alone_at_the_tail_it_is_sent_whole(up, lab):
    ensemble = Sequential(lab("say:one"), Critique(lab("say:bad")))
    async with ensemble.stream("why") as stream:
        assert [text async for text in stream.text] == [with_critique("one", "bad")]


def test_what_does_not_fit_is_said_when_it_is_built():
    with pytest.raises(ShapeError, match="no references to criticise"):
        Critique("demo/skeptic").shape(0)
    with pytest.raises(ShapeError, match="a Critique has no references"):
        Sequential(Critique("demo/skeptic"), Aggregator("demo/editor")).summary()
    with pytest.raises(ShapeError, match="one response is wanted"):
        Critique(moakit.Agent("demo/skeptic", samples=2))
    with pytest.raises(ConfigError, match="is not a Template"):
        Critique("demo/skeptic", prompt="together")
    with pytest.raises(ConfigError, match="unknown setting 'size'"):
        Critique("demo/skeptic", size=2)
    assert Critique("demo/skeptic").shape(None) is None


def test_it_is_made_again_from_its_configuration():
    for layer in (
        Critique("demo/skeptic", deadline=3.5, quorum=2),
        Critique("demo/skeptic", prompt=Template(instructions="Roast it.")),
        Critique(MoA(["demo/planner"], "demo/editor")),
    ):
        again = moakit.from_config(layer.to_config())
        assert again == layer and repr(again) == repr(layer)
    short = {"critique": "demo/skeptic", "prompt": {"closing": "Go."}}
    made = moakit.from_config(short)
    assert made.to_config() == short and "Criticise that" in made.prompt.instructions
