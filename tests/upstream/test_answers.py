"""The upstream answers what its model names ask for."""

import pytest

from tests.upstream import Upstream
from tests.upstream.client import Client, finishes, joined

pytestmark = pytest.mark.asyncio


async def test_plain_names_answer_differently_each_time(up: Upstream, client: Client) -> None:
    assert await client.text("gemma3:4b") == "gemma3:4b #1: hi there"
    assert joined(await client.chunks("gemma3:4b")) == "gemma3:4b #2: hi there"
    assert [call.number for call in up.of("gemma3:4b")] == [1, 2]


async def test_what_a_model_says_may_change_from_call_to_call(client: Client) -> None:
    texts = [await client.text("say:one+then:two_words+then:three") for _ in range(4)]
    assert texts == ["one", "two words", "three", "three"]


async def test_streamed_and_whole_answers_agree(client: Client) -> None:
    name = "say:two_words%2Bmore+reasoning:so_so+think:hm"
    whole = (await client.json(name))["choices"][0]["message"]
    chunks = await client.chunks(name, stream_options={"include_usage": True})
    assert whole["content"] == joined(chunks) == "<think>hm</think>two words+more"
    assert whole["reasoning_content"] == joined(chunks, "reasoning_content") == "so so"
    assert chunks[-1]["usage"] == (await client.json(name))["usage"]
    assert chunks[-1]["usage"]["completion_tokens"] == 4


async def test_choices_and_usage_are_as_asked(client: Client) -> None:
    answer = await client.json("tokens:3+cached:2+fingerprint+extra+logprobs", n=2)
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["w1 w2 w3"] * 2
    assert answer["usage"]["completion_tokens"] == 6
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
    assert (
        answer["system_fingerprint"] and answer["x_unknown"] and answer["choices"][0]["message"]["x_unknown"]
    )
    assert len(answer["choices"][0]["logprobs"]["content"]) == 3
    chunks = await client.chunks("tokens:3", n=2)
    assert joined(chunks, index=1) == "w1 w2 w3" and all("usage" not in chunk for chunk in chunks)
    early = await client.chunks("tokens:1+usage_before", stream_options={"include_usage": True})
    assert early[-2]["usage"] and early[-1]["choices"]
    assert "usage" not in await client.json("tokens:1+nousage")


async def test_tool_calls_come_in_fragments_and_end_with_the_result(client: Client) -> None:
    whole = (await client.json("tool:look_up"))["choices"][0]
    assert whole["message"]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"x": 1}'}
    assert whole["finish_reason"] == "tool_calls" and whole["message"]["content"] is None
    chunks = await client.chunks("tool:look_up")
    pieces = [tool for chunk in chunks for tool in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert len(pieces) > 2 and "".join(piece["function"]["arguments"] for piece in pieces) == '{"x": 1}'
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "tool", "tool_call_id": "call_0", "content": "42"},
    ]
    assert await client.text("tool:look_up+say:so_42", messages=messages) == "so 42"
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert await client.text("echo_tools", tools=tools) == '["f"]'


@pytest.mark.parametrize(
    ("model", "content", "finish"),
    [
        ("empty", "", "stop"),
        ("null", None, "stop"),
        ("blank", " \n\t ", "stop"),
        ("filter", "", "content_filter"),
        ("length+say:a", "a", "length"),
        ("nofinish+say:a", "a", None),
        ("huge:0.1", "x" * 100_000, "stop"),
    ],
)
async def test_unusable_answers(client: Client, model: str, content: str | None, finish: str | None) -> None:
    choice = (await client.json(model))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, finish)
    chunks = await client.chunks(model)
    assert joined(chunks) == (content or "") and finishes(chunks) == ([finish] if finish else [])


async def test_answers_that_are_none(client: Client) -> None:
    assert "error" in await client.json("error200")
    async with client.post("notjson") as response:
        assert response.status == 200 and response.content_type == "text/html"
