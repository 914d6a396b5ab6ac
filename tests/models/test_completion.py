"""Reading a whole completion."""

import json

import pytest

from moakit.errors import AuthenticationFailed, BadResponse, CallError, ContentFiltered, RateLimited
from moakit.models.completion import reply_from
from moakit.types import Usage


def read(data, *, key=None):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return reply_from(body, model="lab/m", key=key)


def whole(message, *, finish="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]} | fields


def test_a_plain_answer():
    reply = read(whole({"content": "Hello"}))
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.extra) == ("Hello", "", "stop", {})


def test_text_parts_are_joined():
    parts = [{"type": "text", "text": "Hel"}, {"type": "image_url"}, {"type": "text", "text": "lo"}, "?"]
    assert read(whole({"content": parts})).text == "Hello"


@pytest.mark.parametrize("content", [None, "", []])
def test_no_content_is_an_empty_text(content):
    assert read(whole({"content": content})).text == ""


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_may_stand_in_a_field(name):
    reply = read(whole({"content": "42", name: " because\n"}))
    assert (reply.reasoning, reply.text, reply.extra) == ("because", "42", {})


@pytest.mark.parametrize("blank", ["", "\n", " " * 100])
def test_reasoning_may_stand_in_a_tag(blank):
    reply = read(whole({"content": f"{blank}<think>\nbecause</think>\n\n42"}))
    assert (reply.reasoning, reply.text) == ("because", "42")


def test_reasoning_without_end_leaves_no_text():
    assert read(whole({"content": "<think>and then"})).text == ""


def test_tool_calls_are_kept_as_they_came():
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"a": 1},
    }
    reply = read(whole({"content": None, "tool_calls": [call]}, finish="tool_calls"))
    assert (reply.tool_calls, reply.finish_reason) == ((call,), "tool_calls")


def test_usage_with_cached_and_reasoning_tokens():
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert read(whole({"content": "a"}, usage=usage)).usage == Usage(10, 5, 16, 8, 3)


def test_usage_in_deepseeks_words():
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8}
    assert read(whole({"content": "a"}, usage=usage)).usage == Usage(10, 5, 15, 8)


@pytest.mark.parametrize(
    "usage", [None, "?", [], {}, {"prompt_tokens": None}, {"prompt_tokens": -1, "prompt_tokens_details": 3}]
)
def test_usage_that_says_nothing_is_none(usage):
    assert read(whole({"content": "a"}, usage=usage)).usage == Usage()


@pytest.mark.parametrize(("said", "cost"), [(0.25, 0.25), (1, 1.0), (None, None), ("1", None), (True, None)])
def test_the_providers_own_cost(said, cost):
    assert read(whole({"content": "a"}, usage={"cost": said})).cost == cost


def test_unknown_fields_are_kept():
    answer = whole(
        {"content": "a", "refusal": None, "annotations": [1]}, system_fingerprint="fp", service_tier=None
    )
    answer["choices"][0] |= {"logprobs": {"content": []}, "content_filter_results": {"hate": {}}}
    assert read(answer).extra == {
        "system_fingerprint": "fp",
        "annotations": [1],
        "logprobs": {"content": []},
        "content_filter_results": {"hate": {}},
    }


def test_further_choices_are_kept():
    answer = whole({"content": "a"})
    answer["choices"].append({"index": 1, "message": {"content": "b"}, "finish_reason": "stop"})
    reply = read(answer)
    assert (reply.text, reply.extra["choices"]) == ("a", answer["choices"])


def test_a_whole_answer_without_finish_reason_has_stopped():
    assert read(whole({"content": "a"}, finish=None)).finish_reason == "stop"


def test_a_byte_order_mark_does_no_harm():
    assert read(b"\xef\xbb\xbf" + json.dumps(whole({"content": "a"})).encode()).text == "a"


def test_the_content_filter_without_text_is_an_error():
    with pytest.raises(ContentFiltered):
        read(whole({"content": ""}, finish="content_filter"))


def test_what_the_content_filter_let_through_is_an_answer():
    assert read(whole({"content": "a"}, finish="content_filter")).finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "no", "code": 429}, RateLimited),
        ({"message": "no", "code": "401"}, AuthenticationFailed),
        ({"message": "no", "code": "content_filter"}, ContentFiltered),
        ({"message": "no"}, BadResponse),
        ("no", BadResponse),
        (["no"], BadResponse),
    ],
)
def test_an_error_with_status_200_is_an_error(error, kind):
    with pytest.raises(CallError, match="no") as caught:
        read({"error": error})
    assert type(caught.value) is kind


def test_an_error_inside_a_choice_is_an_error():
    answer = whole({"content": "half"}, finish="error")
    answer["choices"][0]["error"] = {"message": "upstream gone", "code": 502}
    with pytest.raises(BadResponse, match="upstream gone") as caught:
        read(answer)
    assert caught.value.status == 502


def test_an_answer_that_ended_in_an_error_is_no_answer():
    with pytest.raises(BadResponse, match="ended its answer with an error"):
        read(whole({"content": "half"}, finish="error"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"choices": [', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "not a JSON object"),
        ({}, "no choices"),
        ({"choices": []}, "no choices"),
        ({"choices": {"0": {}}}, "not a list"),
        ({"choices": [1]}, "not a list"),
        ({"choices": [{}]}, "no message"),
        ({"choices": [{"message": "hi"}]}, "not a JSON object"),
        (whole({"content": "a", "tool_calls": {"f": 1}}), "tool calls"),
    ],
)
def test_what_is_no_completion_is_a_bad_response(data, what):
    with pytest.raises(BadResponse, match=what):
        read(data)


def test_what_is_not_json_is_shown_shortly_and_without_the_key():
    key = "k3y-of-forty-letters-" + "x" * 19
    body = b"<p>" + b"y" * 80 + key.encode() + b"z" * 9000
    with pytest.raises(BadResponse) as caught:
        read(body, key=key)
    assert len(str(caught.value)) < 200 and key[:10] not in str(caught.value)


NONSENSE = [-1, True, 1.5, "3", 2**48, 10**400, [3], {}]


@pytest.mark.parametrize("count", NONSENSE)
@pytest.mark.parametrize(
    "name", ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"]
)
def test_a_count_of_tokens_that_is_none_counts_nothing(name, count):
    details = {"prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5} | details
    if name in usage:
        usage[name] = count
    else:
        usage |= {"prompt_tokens_details": {name: count}, "completion_tokens_details": {name: count}}
    found = read(whole({"content": "a"}, usage=usage)).usage
    counts = [found.prompt_tokens, found.completion_tokens, found.total_tokens, found.cached_tokens]
    assert all(type(one) is int and 0 <= one <= 5 for one in [*counts, found.reasoning_tokens])


@pytest.mark.parametrize("extra", [{}, {"provider": "x"}], ids=["the short way", "the long way"])
def test_a_total_of_zero_is_the_sum_of_its_parts(extra):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 0}
    assert read(whole({"content": "a"}, usage=usage, **extra)).usage == Usage(3, 2, 5)


@pytest.mark.parametrize("cost", [-0.5, 10**400, 1e300])
def test_a_cost_that_is_none_is_unknown(cost):
    assert read(whole({"content": "a"}, usage={"cost": cost})).cost is None


@pytest.mark.parametrize("value", [True, 5, "x", ["x"], {"index": 1}])
@pytest.mark.parametrize("name", ["choices", "logprobs"])
def test_a_field_where_it_does_not_belong_is_passed_over(name, value):
    answer = whole({"content": "a", name: value})
    if name == "choices":
        answer["choices"][0][name] = value
    else:
        answer[name] = value
    assert read(answer).extra == {}
