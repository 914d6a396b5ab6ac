"""What an ensemble does with the tools of a request: `tools`."""

import json

import pytest

from moakit import (
    Aggregator,
    Cascade,
    InvalidRequest,
    Judged,
    MoA,
    Proposers,
    Ranker,
    Residual,
    Sequential,
    ShapeError,
    Until,
    Voter,
)

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
USER = [{"role": "user", "content": "how high is it"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"x": 1}'}}
LOOP = [
    *USER,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "8,849 m"},
]
TEAM = ("one", "two", "three")


def panel(lab, **settings):
    return MoA([lab(name) for name in TEAM], lab("lead"), retries=0, **settings)


def asked(up):
    return sorted(call.model for call in up.calls)


def arguments(answer):
    return [json.loads(call["function"]["arguments"]) for call in answer.response.tool_calls]


async def test_a_request_with_tools_is_rejected_by_name(up, lab):
    ensemble = panel(lab, tools="reject", name="panel")
    with pytest.raises(InvalidRequest, match="panel takes no tools"):
        await ensemble.run(USER, tools=[TOOL])
    assert up.calls == []
    await ensemble.run(USER)
    assert len(up.calls) == 4


async def test_a_proposer_is_given_no_tools_so_it_rejects_none(up, lab):
    inner = panel(lab, tools="reject")
    assert (await MoA([inner], lab("chief")).run(USER, tools=[TOOL])).text
    assert up.of("chief")[0].body["tools"] == [TOOL]


@pytest.mark.parametrize("depth", [2, 3])
async def test_tools_bypass_the_proposers(up, lab, depth):
    up.behaves["lead"] = "tool:look_up"
    ensemble = panel(lab, tools="bypass", layers=depth)
    answer = await ensemble.run(USER, tools=[TOOL])
    assert asked(up) == ["lead"] and arguments(answer) == [{"x": 1}]
    up.reset()
    await ensemble.run(LOOP, tools=[TOOL])
    assert asked(up) == ["lead"]
    up.reset()
    await ensemble.run(USER, tools=[])
    assert len(up.calls) == 3 * (depth - 1) + 1


async def test_tools_bypass_the_stages_of_a_cascade_and_the_rounds_of_an_until(up, lab):
    stages = Cascade(panel(lab), lab("chief"))
    await Sequential(stages, tools="bypass").run(USER, tools=[TOOL])
    assert asked(up) == ["chief"]
    up.reset()
    await Sequential(Until(panel(lab), times=3), tools="bypass").run(USER, tools=[TOOL])
    assert asked(up) == ["lead"]


@pytest.mark.parametrize("tools", ["bypass", "vote"])
def test_an_ensemble_without_an_agent_at_its_end_says_so(lab, tools):
    with pytest.raises(ShapeError, match=r"no agent stands at its end .*Voter does"):
        Sequential(Proposers(lab("one"), lab("two")), Voter(), tools=tools)


async def test_one_that_takes_it_from_around_says_so_when_it_runs(up, lab):
    inner = Sequential(Proposers(lab("one"), lab("two")), Voter())
    outer = Sequential(Proposers(lab("one")), inner, tools="bypass")
    with pytest.raises(ShapeError, match="no agent stands at its end"):
        await outer.run(USER, tools=[TOOL])


async def test_the_calls_of_a_majority_are_the_answer(up, lab):
    up.behaves |= {"one": "tool:look_up+x:2", "two": "tool:look_up", "three": "say:Let_me_see+tool:look_up"}
    answer = await panel(lab, tools="vote").run(USER, tools=[TOOL], tool_choice="auto", temperature=0.3)
    assert asked(up) == sorted(TEAM)
    assert arguments(answer) == [{"x": 1}] and answer.response.model == "lab/two"
    assert answer.response.finish_reason == "tool_calls" and not answer.degraded
    assert [reference.model for reference in answer.references] == ["lab/one", "lab/two", "lab/three"]
    for call in up.calls:
        assert call.body["tools"] == [TOOL] and call.body["tool_choice"] == "auto"
        assert "temperature" not in call.body


async def test_parallel_calls_are_voted_on_together(up, lab):
    up.behaves |= dict.fromkeys(("one", "three"), "tool:look_up+tool:measure")
    up.behaves["two"] = "tool:look_up"
    answer = await panel(lab, tools="vote").run(USER, tools=[TOOL])
    assert [call["function"]["name"] for call in answer.response.tool_calls] == ["look_up", "measure"]
    assert len({call["id"] for call in answer.response.tool_calls}) == 2


async def test_without_a_majority_the_aggregator_reads_the_intentions(up, lab):
    up.behaves |= {"one": "say:Wait+tool:look_up+x:2", "two": "tool:look_up", "three": "say:No_idea"}
    up.behaves["lead"] = "tool:look_up+x:3"
    answer = await panel(lab, tools="vote").run(USER, tools=[TOOL])
    assert arguments(answer) == [{"x": 3}]
    lead = up.of("lead")[0]
    assert lead.body["tools"] == [TOOL]
    assert 'Wait\n[would call look_up with {"x": 2}]' in lead.prompt
    assert '[would call look_up with {"x": 1}]' in lead.prompt and "No idea" in lead.prompt
    assert not any("tool_calls" in message for message in lead.messages)
    assert [reference.tool_calls for reference in answer.references] == [()] * 3


async def test_the_call_of_the_only_one_that_answered_is_no_majority(up, lab):
    up.behaves |= {"one": "status:401", "two": "tool:look_up", "three": "status:401", "lead": "say:done"}
    answer = await panel(lab, tools="vote").run(USER, tools=[TOOL])
    assert answer.text == "done" and answer.response.tool_calls == ()


async def test_the_intention_of_a_minority_never_becomes_a_call(up, lab):
    up.behaves |= {"one": "tool:look_up", "two": "status:401", "three": "status:401", "lead": "status:401"}
    answer = await panel(lab, tools="vote", on_no_aggregator="best").run(USER, tools=[TOOL])
    assert answer.response.tool_calls == () and answer.degraded
    assert answer.text == '[would call look_up with {"x": 1}]'


async def test_every_layer_of_proposers_votes(up, lab):
    up.behaves |= {"one": "tool:look_up+x:2", "two": "tool:look_up", "three": "say:a"}
    await panel(lab, tools="vote", layers=3).run(USER, tools=[TOOL])
    assert len(up.calls) == 7
    later = up.of("three")[1]
    assert "[would call look_up" in later.prompt and later.body["tools"] == [TOOL]


async def test_after_a_result_the_next_call_is_voted_on_as_well(up, lab):
    up.behaves |= dict.fromkeys(TEAM, "say:8,849_m") | {"lead": "say:high"}
    answer = await panel(lab, tools="vote").run(LOOP, tools=[TOOL])
    assert answer.text == "high" and len(up.calls) == 4
    assert [message["role"] for message in up.of("one")[0].messages] == ["user", "assistant", "tool"]
    assert up.of("lead")[0].messages[-1] == LOOP[-1]


async def test_samples_vote_and_so_does_the_bench(up, lab):
    up.behaves |= {"one": "tool:look_up", "lead": "say:done"}
    answer = await MoA([lab("one", samples=3)], lab("lead"), tools="vote").run(USER, tools=[TOOL])
    assert arguments(answer) == [{"x": 1}] and asked(up) == ["one"] * 3
    up.reset()
    up.behaves |= {"two": "status:401", "spare": "tool:look_up", "three": "say:a"}
    answer = await panel(lab, tools="vote", bench=[lab("spare")]).run(USER, tools=[TOOL])
    assert arguments(answer) == [{"x": 1}]
    assert up.of("spare")[0].body["tools"] == [TOOL] and up.of("lead") == []


async def test_judges_and_ensembles_inside_get_no_tools(up, lab):
    up.behaves |= {"judge": "say:1", "one": "say:a", "inner": "say:b"}
    ensemble = Sequential(
        Proposers(lab("one"), MoA([lab("deep")], lab("inner"))),
        Residual(Proposers(lab("added"))),
        Ranker(lab("judge"), keep=1),
        Aggregator(lab("lead")),
        tools="vote",
    )
    await ensemble.run(USER, tools=[TOOL])
    given = {call.model for call in up.calls if "tools" in call.body}
    assert given == {"one", "lead"} and {"judge", "deep", "inner", "added"} <= set(asked(up))


async def test_an_elected_call_is_streamed_whole_and_the_vote_is_told(up, lab):
    up.behaves |= dict.fromkeys(TEAM, "tool:look_up")
    async with panel(lab, tools="vote").stream(USER, tools=[TOOL]) as stream:
        events = [event async for event in stream]
    verdicts = [event.verdict for event in events if isinstance(event, Judged)]
    assert verdicts == [{"tool_calls": True, "votes": 3, "of": 3}]
    (told,) = [event for event in events if getattr(event, "answer", None) is True]
    assert told.kind == "tool" and told.data["tool_calls"][0]["function"]["name"] == "look_up"


async def test_without_tools_nobody_votes(up, lab):
    await panel(lab, tools="vote").run(USER)
    assert len(up.calls) == 4
    up.reset()
    await panel(lab, tools="vote").run(LOOP)
    assert asked(up) == ["lead"]
