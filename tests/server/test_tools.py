"""Tools: the aggregator calls them, and goes on alone once their results are there."""

import json

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a thing up",
        "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}},
    },
}
USER = {"role": "user", "content": "how high is it"}


def test_a_tool_call_comes_whole(up, client):
    up.behaves["lead"] = "tool:look_up"
    answer = client.chat.completions.create(model="panel", messages=[USER], tools=[TOOL], tool_choice="auto")
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "look_up")
    assert json.loads(call.function.arguments) == {"x": 1}
    assert call.id
    lead = up.of("lead")[0].body
    assert lead["tools"] == [TOOL] and lead["tool_choice"] == "auto"
    assert not any("tools" in up.of(model)[0].body for model in ("one", "two", "three"))


def test_a_tool_call_streams_in_fragments_that_the_client_puts_together(up, client):
    up.behaves["lead"] = "tool:look_up"
    name, arguments, ids, finish = "", "", set(), None
    fragments = 0
    for chunk in client.chat.completions.create(model="panel", messages=[USER], tools=[TOOL], stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.index == 0
            fragments += 1
            ids |= {call.id} - {None}
            name += call.function.name or ""
            arguments += call.function.arguments or ""
        finish = chunk.choices[0].finish_reason or finish
    assert (name, json.loads(arguments), finish) == ("look_up", {"x": 1}, "tool_calls")
    assert len(ids) == 1 and fragments > 1


def test_the_clients_own_accumulation_gives_the_same(up, client):
    up.behaves["lead"] = "tool:look_up"
    with client.chat.completions.stream(model="panel", messages=[USER], tools=[TOOL]) as stream:
        stream.until_done()
        completion = stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("look_up", {"x": 1})


def test_after_a_tools_result_the_aggregator_alone_goes_on(up, client):
    up.behaves["lead"] = "tool:look_up+say:It_is_high"
    messages = [USER]
    for stream in (False, True):
        up.reset()
        first = (
            client.chat.completions.create(model="panel", messages=messages, tools=[TOOL]).choices[0].message
        )
        loop = [
            *messages,
            first.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "8,849 m"},
        ]
        up.reset()
        answer = client.chat.completions.create(model="panel", messages=loop, tools=[TOOL], stream=stream)
        if stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        else:
            text = answer.choices[0].message.content
            assert [call["role"] for call in answer.usage.moa["calls"]] == ["aggregator"]
        assert text == "It is high"
        (call,) = up.calls
        assert call.model == "lead" and call.body["tools"] == [TOOL]
        assert call.messages[0] == USER and call.messages[1]["tool_calls"][0]["id"] == loop[2]["tool_call_id"]
        assert call.messages[2] == loop[2]


def test_a_later_question_asks_everyone_again_and_tells_proposers_of_the_tool_in_words(up, client):
    function = {"name": "look_up", "arguments": '{"x": 1}'}
    messages = [
        USER,
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "8,849 m"},
        {"role": "assistant", "content": "It is high"},
        {"role": "user", "content": "and how old"},
    ]
    client.chat.completions.create(model="panel", messages=messages, tools=[TOOL])
    assert len(up.calls) == 4
    one, lead = up.of("one")[0], up.of("lead")[0]
    assert {message["role"] for message in one.messages} == {"user", "assistant"}
    assert "8,849 m" in one.prompt and "look_up" in one.prompt
    assert [message["role"] for message in lead.messages[-4:]] == ["assistant", "tool", "assistant", "user"]
