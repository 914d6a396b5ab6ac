"""What a request asks for beside its prompt: for the final layer alone."""

import json

import pytest

import moakit
from moakit import Aggregator, ConfigError, Delta, MoA, Proposers, Residual, Sequential
from tests.lab import references_in

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
ALL = {
    "temperature": 0.1,
    "max_tokens": 9,
    "stop": ["END"],
    "n": 1,
    "logprobs": True,
    "top_logprobs": 2,
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "user": "mina",
    "seed": 3,
}


def sent(call):
    return {
        key: value
        for key, value in call.body.items()
        if key not in ("model", "messages", "stream", "stream_options")
    }


@pytest.mark.parametrize("streamed", [False, True])
async def test_they_reach_the_final_layer_only(up, lab, streamed):
    ensemble = Sequential(
        Proposers(lab("a", temperature=0.9), MoA([lab("x")], lab("merge"))),
        Residual(lab("c")),
        Aggregator(lab("lead", temperature=0.7, top_p=0.5)),
    )
    if streamed:
        async with ensemble.stream("why", **ALL) as stream:
            async for _ in stream:
                pass
    else:
        await ensemble.run("why", **ALL)
    assert {call.model: sent(call) for call in up.calls} == {
        "a": {"temperature": 0.9},
        "x": {},
        "merge": {},
        "c": {},
        "lead": {"top_p": 0.5, **ALL},
    }


async def test_they_reach_the_last_agent_of_a_nested_ensemble(up, lab):
    await MoA([lab("a")], MoA([lab("x")], lab("last"))).run("why", temperature=0.1)
    assert [sent(call) for call in up.calls] == [{}, {}, {"temperature": 0.1}]


async def test_none_is_not_sent(up, lab):
    await lab("a", temperature=0.5).run("why", temperature=None, stop=None)
    assert sent(up.calls[0]) == {"temperature": 0.5}


async def test_extra_is_sent_as_it_is_and_to_the_final_layer_only(up, lab):
    await MoA([lab("a", extra={"top_k": 5})], lab("lead")).run(
        "why", extra={"min_p": 0.1, "provider": {"x": [1]}}
    )
    assert [sent(call) for call in up.calls] == [{"top_k": 5}, {"min_p": 0.1, "provider": {"x": [1]}}]


async def test_an_unknown_parameter_is_refused_with_the_nearest_one(up, lab):
    ensemble = MoA([lab("a")], lab("lead"))
    for name, near in (
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("responseformat", "response_format"),
    ):
        with pytest.raises(ConfigError, match=rf"unknown parameter '{name}' \(did you mean '{near}'\?\)"):
            await ensemble.run("why", **{name: 1})
    with pytest.raises(ConfigError, match=r"extra=\{…\}"):
        await ensemble.run("why", zzz=1)
    assert not up.calls


async def test_a_length_asked_for_in_either_word_replaces_the_agents_own(up, lab):
    agent = lab("a", max_tokens=50)
    await agent.run("why", max_completion_tokens=9)
    await agent.run("why", max_tokens=8)
    await Sequential(lab("x"), lab("y"), max_tokens=70).run("why", max_completion_tokens=7)
    assert [sent(call) for call in up.calls] == [
        {"max_completion_tokens": 9},
        {"max_tokens": 8},
        {"max_tokens": 70},
        {"max_completion_tokens": 7},
    ]


async def test_max_tokens_of_a_layer_caps_agents_that_set_none(up, lab):
    await MoA([lab("a"), lab("b", max_tokens=5)], lab("lead"), max_tokens=20).run("why")
    assert [sent(up.of(name)[0]) for name in ("a", "b", "lead")] == [
        {"max_tokens": 20},
        {"max_tokens": 5},
        {},
    ]


async def test_a_conversation_that_ends_in_a_tools_result_goes_to_the_aggregator_alone(up, lab):
    call = {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}
    prompt = [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": "42"},
    ]
    inner = MoA([lab("x")], lab("last"))
    for ensemble, last in (
        (MoA([lab("a"), lab("b")], lab("lead"), layers=3), "lead"),
        (MoA([lab("a")], inner), "last"),
    ):
        up.reset()
        answer = await ensemble.run(prompt, tools=TOOLS)
        (only,) = up.calls
        assert only.model == last and only.messages == prompt and only.body["tools"] == TOOLS
        assert len(answer.calls) == 1 and answer.references == () and not answer.degraded


async def test_a_proposer_is_told_of_tools_in_words(up, lab):
    call = {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}
    prompt = [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
        {"role": "user", "content": "and now?"},
    ]
    await MoA([lab("a")], lab("lead")).run(prompt, tools=TOOLS)
    proposer, lead = up.calls
    assert "tools" not in proposer.body
    assert all(message["role"] in ("user", "assistant") for message in proposer.messages)
    assert "look" in proposer.prompt and "42" in proposer.prompt
    assert not any("tool_calls" in message for message in proposer.messages)
    assert lead.messages[1:5] == prompt[:4]
    assert references_in(lead)


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_aggregators_tool_calls_are_the_answers(up, lab, streamed):
    ensemble = MoA([lab("a")], lab("tool:look"))
    if streamed:
        async with ensemble.stream("why", tools=TOOLS) as stream:
            deltas = [event async for event in stream if type(event) is Delta]
        answer = stream.answer
        assert {(delta.kind, delta.answer) for delta in deltas} == {("tool", True)}
        fragments = [fragment for delta in deltas for fragment in delta.data["tool_calls"]]
        assert fragments[0]["function"]["name"] == "look"
        assert json.loads("".join(fragment["function"]["arguments"] for fragment in fragments)) == {"x": 1}
    else:
        answer = await ensemble.run("why", tools=TOOLS)
    (call,) = answer.response.tool_calls
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("look", {"x": 1})
    assert answer.text == "" and answer.response.finish_reason == "tool_calls"


async def test_tool_calls_of_a_tail_that_does_not_stream_are_sent_when_it_returns(lab):
    class Calls(moakit.Layer):
        async def forward(self, prompt, references, run):
            call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            return (moakit.Response(text="", tool_calls=(call,), finish_reason="tool_calls"),)

    async with Calls().stream("why") as stream:
        (delta,) = [event async for event in stream if type(event) is Delta]
    assert (delta.kind, delta.answer, delta.data["tool_calls"][0]["index"]) == ("tool", True, 0)


async def test_logprobs_and_choices_of_the_aggregator_are_kept(up, lab):
    answer = await MoA([lab("a")], lab("logprobs+say:one_two")).run("why", logprobs=True, n=2)
    assert [token["token"] for token in answer.response.extra["logprobs"]["content"]] == ["one", " two"]
    assert len(answer.response.extra["choices"]) == 2


async def test_multiturn_false_shows_the_system_message_and_the_last_user_message_only(up, lab):
    system, first, reply, last = (
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "reply"},
        {"role": "user", "content": "last"},
    )
    await MoA([lab("a")], lab("lead"), multiturn=False).run([system, first, reply, last])
    assert up.of("a")[0].messages == [system, last]
    assert "first" not in up.of("lead")[0].prompt and "reply" not in up.of("lead")[0].prompt
    up.reset()
    await MoA([lab("a")], lab("lead")).run([system, first, reply, last])
    assert up.of("a")[0].messages == [system, first, reply, last]
