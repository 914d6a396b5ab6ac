"""What goes wrong has OpenAI's error JSON, its HTTP status, and the official client's own exception."""

import openai
import pytest

USER = [{"role": "user", "content": "why"}]
NO_RETRY = "+should_retry:false"


def ask(client, model="panel", **fields):
    return client.chat.completions.create(model=model, messages=USER, **fields)


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found_and_the_nearest_is_named(up, client, stream):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, "panle", stream=stream)
    error = caught.value
    assert error.code == "model_not_found" and error.param == "model"
    assert "unknown model 'panle' (did you mean 'panel'?)" in str(error)
    assert up.calls == []


def test_an_unknown_model_like_none_other_names_those_there_are(served):
    message = served.chat("gpt-9").error["message"]
    assert "'gpt-9'" in message and "panel" in message and "solo" in message


@pytest.mark.parametrize("stream", [False, True])
def test_when_every_proposer_is_rate_limited_the_client_is_told_when_to_come_back(up, client, stream):
    up.behaves |= {"one": "retry_after:200", "two": "retry_after:300", "three": "retry_after:250"}
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, "patient", stream=stream)
    assert caught.value.response.headers["retry-after"] == "300"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.code == "rate_limit_exceeded" and caught.value.type == "rate_limit_error"
    assert up.of("lead") == []


def test_the_clients_own_retries_do_not_multiply_ours(up, client):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "status:429+retry_after_ms:10")
    assert client.max_retries == 2
    with pytest.raises(openai.RateLimitError):
        ask(client, "patient")
    assert [len(up.of(model)) for model in ("one", "two", "three", "lead")] == [3, 3, 3, 0]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status:500", 502, "upstream_error"),
        ("status:401", 502, "upstream_authentication"),
        ("status:404", 502, "upstream_error"),
        ("close", 502, "upstream_error"),
        ("empty", 502, "upstream_error"),
        ("notjson", 502, "upstream_error"),
        ("status:400", 400, "invalid_request_error"),
        ("filter400", 400, "content_filter"),
        ("code:context_length_exceeded", 400, "context_length_exceeded"),
        ("retry_after:9", 429, "rate_limit_exceeded"),
    ],
)
def test_an_aggregators_failure_has_its_status(up, client, fault, status, code, stream):
    up.behaves["lead"] = fault
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, stream=stream)
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert "lab/lead" in error.message
    assert error.response.headers["x-moa-run-id"].startswith("run_")
    assert len(up.of("lead")) == 1 + (fault == "close")  # a reset connection may be tried once more


@pytest.mark.parametrize("stream", [False, True])
def test_when_every_proposer_fails_each_cause_is_told_and_no_key(up, client, stream):
    up.behaves |= {"one": "status:500", "two": "empty", "three": "status:403"}
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (502, "not_enough_responses")
    message = caught.value.body["message"]
    assert all(
        name in message for name in ("lab/one", "lab/two", "lab/three", "HTTP 500", "HTTP 403", "empty")
    )
    assert "lab-key" not in caught.value.response.text
    assert up.of("lead") == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_beyond_its_deadline_is_a_timeout(up, client, stream):
    up.behaves["lead"] = "hang"
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, "quick", stream=stream)
    assert (caught.value.status_code, caught.value.code) == (504, "deadline_exceeded")
    assert "deadline of 2 s" in caught.value.message


def test_a_body_that_is_too_large_is_refused(up, client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="panel", messages=[{"role": "user", "content": "x" * 3_000_000}])
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
    assert "1048576" in caught.value.message
    assert up.calls == []


BAD = [
    ({"messages": "why"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": ["why"]}, "messages[0]"),
    ({"messages": [{"content": "why"}]}, "messages[0]"),
    ({"messages": [{"role": 5, "content": "why"}]}, "messages[0]"),
    ({"messages": [{"role": "wizard", "content": "why"}]}, "messages[0].role"),
    ({"messages": [*USER, {"role": "user", "content": 5}]}, "messages[1].content"),
    ({"messages": [{"role": "user", "content": ["why"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"text": "why"}]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}, *USER]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": [1]}, *USER]}, "messages[0].tool_calls"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": "f"}]}, *USER]},
        "messages[0].tool_calls",
    ),
    ({"messages": USER * 10_001}, "messages"),
    ({"model": 5}, "model"),
    ({"model": None}, "model"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": True}, "stream_options"),
    ({"n": 0}, "n"),
    ({"n": 17}, "n"),
    ({"n": 1.5}, "n"),
    ({"n": True}, "n"),
    ({"temperature": 3}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": "many"}, "max_completion_tokens"),
    ({"moa": True}, "moa"),
    ({"moa": {"events": "yes"}}, "moa.events"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=[f"{param}-{n}" for n, (_, param) in enumerate(BAD)])
def test_a_bad_request_names_the_parameter(up, served, fields, param):
    reply = served.request("POST", "/v1/chat/completions", {"model": "panel", "messages": USER, **fields})
    assert (reply.status, reply.error["type"], reply.error["param"]) == (400, "invalid_request_error", param)
    assert up.calls == []


def test_a_bad_request_is_the_clients_bad_request_error(client):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, n=0)
    assert caught.value.param == "n" and "1 to 16" in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b"[]", b'"text"', b"7", b"null", b"\xff\xfe", b"{} {}"])
def test_a_body_that_is_not_a_json_object_is_a_bad_request(served, body):
    reply = served.request("POST", "/v1/chat/completions", body)
    assert reply.status == 400 and "JSON" in reply.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/nothing", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/v1/models/nothing", 404),
    ],
)
def test_an_address_that_is_not_there_is_told_in_openais_shape_too(served, method, path, status):
    reply = served.request(method, path, headers={"host": "evil.example"})
    assert reply.status == status and reply.error["type"] == "invalid_request_error"
    assert "evil.example" not in str(reply)
