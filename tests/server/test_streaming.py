"""A streamed answer: tokens as they come, and what follows them."""

import itertools
import json
import time

import openai
import pytest

USER = [{"role": "user", "content": "why"}]


def texts(stream):
    return [
        chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content
    ]


def events(reply):
    """The data of every event of a stream that was read whole."""
    return [block.removeprefix(b"data: ") for block in reply.body.split(b"\n\n") if block]


def test_tokens_arrive_one_by_one_while_the_aggregator_writes(up, client):
    up.behaves["lead"] = "tokens:6+pace:0.15"
    arrived = [
        (time.monotonic(), chunk.choices[0].delta.content)
        for chunk in client.chat.completions.create(model="panel", messages=USER, stream=True)
        if chunk.choices[0].delta.content
    ]
    assert "".join(text for _, text in arrived) == "w1 w2 w3 w4 w5 w6"
    assert len(arrived) >= 4
    assert arrived[-1][0] - arrived[0][0] > 0.3
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(arrived)]
    assert sum(gap > 0.05 for gap in gaps) >= 2
    assert {call.model: call.stream for call in up.calls} == {
        "one": False, "two": False, "three": False, "lead": True,
    }  # fmt: skip


def test_a_stream_has_the_chunks_of_openai_and_no_others(up, served):
    up.behaves["lead"] = "say:a_b"
    reply = served.chat(stream=True)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    *chunks, end = events(reply)
    assert end == b"[DONE]" and b"moa" not in reply.body
    chunks = [json.loads(chunk) for chunk in chunks]
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "panel")}
    assert {chunk["id"] for chunk in chunks} == {f"chatcmpl-{reply.headers['x-moa-run-id']}"}
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "a b"
    assert choices[-1] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert all(choice["finish_reason"] is None for choice in choices[:-1])


def test_usage_follows_in_a_chunk_of_its_own_when_it_is_asked_for(up, client):
    up.behaves["lead"] = "say:a_b"
    stream = client.chat.completions.create(
        model="panel", messages=USER, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage.prompt_tokens == sum(len(call.prompt.split()) for call in up.calls)
    assert last.usage.completion_tokens == 3 + 3 + 3 + 2
    assert last.usage.cost > 0
    assert len(last.usage.moa["calls"]) == 4 and last.usage.moa["final"]["completion_tokens"] == 2


def test_the_async_client_streams_while_others_are_served(up, served):
    import asyncio

    up.behaves["lead"] = "tokens:5+pace:0.1"

    async def ask(client):
        stream = await client.chat.completions.create(model="panel", messages=USER, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def main():
        async with openai.AsyncOpenAI(base_url=served.base_url, api_key="another key") as client:
            began = time.monotonic()
            answers = await asyncio.gather(*(ask(client) for _ in range(8)))
            return answers, time.monotonic() - began

    answers, took = asyncio.run(main())
    assert answers == ["w1 w2 w3 w4 w5"] * 8
    assert took < 8 * 0.4


def test_two_choices_stream_side_by_side(up, client):
    said, finished = {0: "", 1: ""}, {}
    for chunk in client.chat.completions.create(model="panel", messages=USER, n=2, stream=True):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                finished[choice.index] = choice.finish_reason
    assert said[0].startswith("lead #1: why") and said[1].startswith("lead #1.1: why")
    assert finished == {0: "stop", 1: "stop"}


def test_logprobs_stream_with_their_tokens(up, client):
    up.behaves["lead"] = "say:a_b+logprobs"
    stream = client.chat.completions.create(model="panel", messages=USER, logprobs=True, stream=True)
    told = [
        entry.token
        for chunk in stream
        if chunk.choices and chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content
    ]
    assert told == ["a", " b"]


def test_reasoning_streams_as_reasoning(up, client):
    up.behaves["lead"] = "say:yes+reasoning:let_me_think"
    thought, said = "", ""
    for chunk in client.chat.completions.create(model="panel", messages=USER, stream=True):
        thought += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        said += chunk.choices[0].delta.content or ""
    assert (thought, said) == ("let me think", "yes")


@pytest.mark.parametrize("fault", ["cut:2", "error_in_stream:2", "badchunk:2", "nofinish"])
def test_a_failure_after_the_first_token_is_told_inside_the_stream(up, client, served, fault):
    up.behaves["lead"] = f"tokens:4+pace:0.03+{fault}"
    read = []
    stream = client.chat.completions.create(model="panel", messages=USER, stream=True)
    with pytest.raises(openai.APIError) as caught:
        read.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(read).startswith("w1 w2")
    assert caught.value.body["message"] and caught.value.body["type"] == "upstream_error"
    assert len(up.of("lead")) == 1

    reply = served.chat(stream=True)  # read to the end of the body, which must be a proper one
    last = json.loads(events(reply)[-1])
    assert last["choices"] == [] and last["error"].keys() == {"message", "type", "param", "code"}
    assert b"[DONE]" not in reply.body and b'"finish_reason":"stop"' not in reply.body


def test_a_failure_before_the_first_token_has_its_real_status(up, client, served):
    up.behaves["lead"] = "status:500+sleep:0.1"
    reply = served.chat(stream=True)
    assert reply.status == 502 and reply.headers["content-type"] == "application/json"
    assert reply.error["type"] == "upstream_error"
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=0).chat.completions.create(model="panel", messages=USER, stream=True)


def test_an_answer_that_comes_whole_is_streamed_all_the_same(up, client):
    up.behaves["lead"] = "status:500"
    stream = client.chat.completions.create(model="alone", messages=USER, stream=True)
    assert "".join(texts(stream)) == "three #1: why"


def test_a_stream_ends_soon_after_the_finish_reason(up, client):
    up.behaves["lead"] = "say:a_b+silent_end"
    began = time.monotonic()
    assert "".join(texts(client.chat.completions.create(model="panel", messages=USER, stream=True))) == "a b"
    assert time.monotonic() - began < 2
