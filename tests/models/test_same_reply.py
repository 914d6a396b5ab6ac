"""An answer is the same whether it came whole or as a stream, however strange it is."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from moakit.errors import CallError
from moakit.models.chunks import Assembly
from moakit.models.completion import reply_from, tell
from tests.models.wire import Ear

WORDS = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "a", " ", "\n", "\u2028", "é", "🙂"]), max_size=8
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["1", "2"]),
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": st.sampled_from(["f", "g"]), "arguments": st.text(max_size=9)}
            ),
        },
        optional={"extra_content": st.dictionaries(st.just("sign"), st.text(max_size=2))},
    ),
    max_size=3,
)
COUNTS = st.integers(0, 100)
USAGE = st.none() | st.fixed_dictionaries(
    {"prompt_tokens": COUNTS, "completion_tokens": COUNTS},
    optional={
        "total_tokens": COUNTS,
        "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": COUNTS}),
        "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": COUNTS}),
        "cost": st.floats(0, 1),
    },
)
EXTRA = st.dictionaries(
    st.sampled_from(["citations", "service_tier"]), st.none() | st.lists(COUNTS, max_size=2)
)
NAMES = st.sampled_from(
    ["choices", "message", "delta", "content", "reasoning", "tool_calls", "function", "name", "arguments",
     "id", "index", "finish_reason", "logprobs", "usage", "error", "code", "message", "x_groq", "text"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1e300]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def completion(choice, usage, extra):
    return json.dumps({"id": "1", "choices": [choice], "usage": usage} | extra).encode()


def chunks(content, reasoning, calls, finish, usage, extra, place):
    deltas = [{"role": "assistant", "content": None}]
    deltas += [{"reasoning_content": piece} for piece in reasoning]
    deltas += [{"content": piece} for piece in content]
    for index, call in enumerate(calls):
        function = call["function"]
        deltas.append({"tool_calls": [call | {"index": index, "function": function | {"arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": letter}}]}
            for letter in function["arguments"]
        ]
    sent = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    sent.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]} | extra)
    sent.insert(len(sent) - (place % 2), {"choices": [], "usage": usage})
    return [json.dumps(one).encode() for one in sent]


@settings(max_examples=150)
@given(
    WORDS, WORDS, CALLS, st.sampled_from(["stop", "length", "tool_calls"]), USAGE, EXTRA, st.integers(0, 1),
    st.integers(0, 9),
)  # fmt: skip
def test_a_stream_gives_the_reply_that_the_whole_gives(
    content, reasoning, calls, finish, usage, extra, place, cut
):
    message = {"role": "assistant", "content": "".join(content), "reasoning_content": "".join(reasoning)}
    if calls:
        message["tool_calls"] = calls
    whole = reply_from(
        completion({"index": 0, "message": message, "finish_reason": finish}, usage, extra),
        model="m",
        key=None,
    )
    ear = Ear()
    assembly = Assembly(ear, model="m", key=None)
    events = chunks(content, reasoning, calls, finish, usage, extra, place)
    assembly.take(events[:cut])
    assembly.take(events[cut:])
    reply = assembly.reply()
    assert reply == whole
    told = "" if reply.text.isspace() else reply.text
    assert (ear.text(), ear.text("reasoning").strip()) == (told, reply.reasoning)


@settings(max_examples=200)
@given(JSON)
def test_any_json_is_a_reply_or_a_call_error(value):
    value = {"choices": [{"message": value}, value]} if isinstance(value, dict) else value
    try:
        reply = reply_from(json.dumps(value).encode(), model="m", key="key")
        tell(reply, Ear())
        assert reply.finish_reason
    except CallError as error:
        assert str(error)  # noqa: PT017 - either way is right


@settings(max_examples=200)
@given(st.lists(JSON, max_size=3))
def test_any_chunks_are_a_reply_or_a_call_error(values):
    assembly = Assembly(Ear(), model="m", key="key")
    try:
        assembly.take(
            json.dumps({"choices": [value]} if place else value).encode()
            for place, value in enumerate(values)
        )
        assert assembly.reply().finish_reason
    except CallError as error:
        assert str(error)  # noqa: PT017 - either way is right
