"""An answer to the official client, sent whole."""

import pytest

USER = [{"role": "user", "content": "why"}]
PARAMETERS = {
    "temperature": 0.3,
    "top_p": 0.9,
    "seed": 7,
    "stop": ["END"],
    "max_completion_tokens": 50,
    "presence_penalty": 0.1,
    "logit_bias": {"50256": -100},
    "response_format": {"type": "json_object"},
    "user": "mina",
    "metadata": {"ticket": "17"},
}


def words(call):
    return len(call.prompt.split())


def test_an_answer_is_what_the_aggregator_wrote(up, client):
    up.behaves["lead"] = "say:the_answer"
    answer = client.chat.completions.create(model="panel", messages=USER)
    assert answer.object == "chat.completion" and answer.model == "panel"
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "the answer")
    assert choice.finish_reason == "stop" and choice.message.tool_calls is None
    assert sorted(call.model for call in up.calls) == ["lead", "one", "three", "two"]
    assert up.calls[-1].model == "lead" and "one #1: why" in up.calls[-1].prompt


async def test_the_asynchronous_client_gets_the_same(up, served):
    import openai

    up.behaves["lead"] = "say:the_answer"
    async with openai.AsyncOpenAI(base_url=served.base_url, api_key="another key") as client:
        answer = await client.chat.completions.create(model="panel", messages=USER)
        assert answer.choices[0].message.content == "the answer"
        stream = await client.chat.completions.create(model="panel", messages=USER, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "the answer"


def test_usage_is_the_total_over_all_calls(up, client):
    up.behaves |= {"one": "say:a_b_c+cached:2", "lead": "say:x_y+reasoning:hm_hm"}
    usage = client.chat.completions.create(model="panel", messages=USER).usage
    prompt = sum(words(call) for call in up.calls)
    completion = 3 + 3 + 3 + 4  # "a b c", "two #1: why", "three #1: why", "hm hm" and "x y"
    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt, completion)
    assert usage.total_tokens == prompt + completion
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert usage.completion_tokens_details.reasoning_tokens == 2
    assert usage.cost == pytest.approx((prompt * 1 + completion * 10) / 1_000_000)


def test_usage_tells_each_call(up, client):
    up.behaves["lead"] = "say:x_y"
    raw = client.chat.completions.with_raw_response.create(model="panel", messages=USER)
    answer = raw.parse()
    moa = answer.usage.moa
    assert [(call["path"], call["model"], call["role"], call["status"]) for call in by_path(moa)] == [
        ("0.0", "lab/one", "proposer", "ok"),
        ("0.1", "lab/two", "proposer", "ok"),
        ("0.2", "lab/three", "proposer", "ok"),
        ("1.0", "lab/lead", "aggregator", "ok"),
    ]
    for call, sent in zip(by_path(moa), ("one", "two", "three", "lead"), strict=True):
        assert call["prompt_tokens"] == words(up.of(sent)[0])
        assert call["cost"] > 0 and 0 <= call["seconds"] < 5 and "error" not in call
    assert moa["final"]["completion_tokens"] == 2
    assert moa["final"]["prompt_tokens"] == words(up.of("lead")[0])
    assert moa["degraded"] is False
    assert raw.headers["x-moa-run-id"] == moa["run_id"] and answer.id == f"chatcmpl-{moa['run_id']}"
    assert raw.headers["x-moa-degraded"] == "false"


def by_path(moa):
    return sorted(moa["calls"], key=lambda call: call["path"])


def test_a_cost_is_none_as_soon_as_one_price_is_unknown(up, client):
    usage = client.chat.completions.create(model="unpriced", messages=USER).usage
    assert usage.cost is None
    assert [call["cost"] is None for call in by_path(usage.moa)] == [True, True, False]


def test_sampling_of_a_request_reaches_the_aggregator_alone(up, client):
    client.chat.completions.create(model="panel", messages=USER, **PARAMETERS, extra_body={"top_k": 5})
    for call in up.calls:
        sent = {name: value for name, value in call.body.items() if name not in ("model", "messages")}
        assert sent == (PARAMETERS | {"top_k": 5} if call.model == "lead" else {})


def test_two_choices_come_from_the_aggregator(up, client):
    answer = client.chat.completions.create(model="panel", messages=USER, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    texts = [choice.message.content for choice in answer.choices]
    assert texts[0].startswith("lead #1: why") and texts[1].startswith("lead #1.1: why")
    assert [len(up.of(model)) for model in ("one", "two", "three", "lead")] == [1, 1, 1, 1]


def test_logprobs_and_fingerprint_are_passed_on(up, client):
    up.behaves["lead"] = "say:a_b+logprobs+fingerprint"
    answer = client.chat.completions.create(model="panel", messages=USER, logprobs=True)
    assert [entry.token for entry in answer.choices[0].logprobs.content] == ["a", " b"]
    assert answer.system_fingerprint == "fp_upstream"
    assert up.of("lead")[0].body["logprobs"] is True and "logprobs" not in up.of("one")[0].body


def test_reasoning_of_the_aggregator_stands_beside_the_text(up, client):
    up.behaves["lead"] = "say:yes+reasoning:let_me_think"
    message = client.chat.completions.create(model="panel", messages=USER).choices[0].message
    assert (message.content, message.reasoning_content) == ("yes", "let me think")


def test_an_answer_cut_at_its_length_says_so(up, client):
    up.behaves["lead"] = "say:half+length"
    choice = client.chat.completions.create(model="panel", messages=USER, max_tokens=1).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("half", "length")


def test_without_a_model_the_default_answers(up, served):
    body = {"messages": USER}
    assert served.request("POST", "/v1/chat/completions", body).json["model"] == "panel"


def test_a_single_agent_is_a_model_too(up, client):
    up.behaves["lead"] = "say:hello"
    answer = client.chat.completions.create(model="solo", messages=USER)
    assert answer.choices[0].message.content == "hello"
    assert [call["path"] for call in answer.usage.moa["calls"]] == [""]
