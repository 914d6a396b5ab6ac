"""From what a provider answered to a typed error."""

import json

import pytest

from moakit.errors import AuthenticationFailed, BadResponse, ContentFiltered, ContextTooLong, RateLimited
from moakit.models.failures import from_error, from_status


def refused(status, error=None, *, body=None, key=None, variable="LAB_API_KEY", **headers):
    if body is None:
        body = json.dumps({"error": error or {"message": "no"}}).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_status(status, headers, body, model="lab/m", key=key, key_variable=variable)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadResponse),
        (401, AuthenticationFailed),
        (402, BadResponse),
        (403, AuthenticationFailed),
        (404, BadResponse),
        (408, BadResponse),
        (409, BadResponse),
        (413, BadResponse),
        (418, BadResponse),
        (422, BadResponse),
        (429, RateLimited),
        (500, BadResponse),
        (502, BadResponse),
        (503, BadResponse),
        (529, BadResponse),
        (302, BadResponse),
    ],
)
def test_every_status_has_its_error(status, kind):
    error = refused(status)
    assert type(error) is kind
    assert (error.status, error.model) == (status, "lab/m")
    assert "no" in error.message


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"code": "context_length_exceeded", "message": "Please reduce the length of the messages."}),
        (413, {"code": "context_length_exceeded", "message": "too large"}),
        (
            400,
            {"message": "This model's maximum context length is 8192 tokens. You requested 9000."},
        ),
        (
            400,
            {
                "type": "invalid_request_error",
                "message": "prompt is too long: 210000 tokens > 200000 maximum",
            },
        ),
        (
            400,
            {"message": "The input token count (1200000) exceeds the maximum number of tokens (1048576)."},
        ),
        (400, {"message": "the request exceeds the available context size, try increasing it"}),
        (
            400,
            {"message": "This model's maximum prompt length is 131072 but there are 200000 tokens."},
        ),
        (
            422,
            {"message": "40000 tokens, too large for model with 32768 maximum context length"},
        ),
        (400, {"message": "Input is too long for requested model."}),
    ],
)
def test_providers_say_in_many_words_that_the_prompt_is_too_long(status, error):
    assert type(refused(status, error)) is ContextTooLong


def test_a_context_that_is_mentioned_by_a_failing_server_is_not_too_long():
    assert type(refused(500, {"message": "lost the context window"})) is BadResponse


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_the_content_filter_is_known_by_its_code(code):
    assert type(refused(400, {"message": "no", "code": code})) is ContentFiltered


def test_the_numbers_of_a_refusal_are_passed_on():
    error = refused(400, {"message": "maximum context length is 8192 tokens, you sent 9000"})
    assert "8192" in error.message and "9000" in error.message


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": {"message": "why", "type": "t"}}', "why"),
        (b'{"error": "why"}', "why"),
        (b'{"message": "why"}', "why"),
        (b'{"detail": "why"}', "why"),
        (b'{"detail": [{"loc": ["body", "seed"], "msg": "why"}]}', "why"),
        (b'{"error": {"reason": "why"}}', "why"),
        (b'["why"]', "why"),
        (b"why", "why"),
        (b"<html>\n\n  <b>why</b>", "<html> <b>why</b>"),
        (b"\xff why", "why"),
        (b"", "the provider answered HTTP 500"),
        (b"[" * 100_000, "[["),
    ],
)
def test_the_reason_is_found_in_any_body(body, shown):
    assert shown in refused(500, body=body).message


def test_a_long_reason_is_shortened():
    assert len(refused(500, {"message": "x" * 50_000}).message) < 400


@pytest.mark.parametrize(
    ("variable", "hint"), [("LAB_API_KEY", "check LAB_API_KEY"), (None, "check its api_key")]
)
def test_a_refused_key_is_named_not_shown(variable, hint):
    error = refused(401, {"message": "bad key s3cret-s3cret"}, key="s3cret-s3cret", variable=variable)
    assert error.hint == hint and "s3cret" not in str(error)


def test_a_key_that_was_not_sent_is_asked_for():
    assert refused(401, key=None, variable="LAB_API_KEY").hint == "no key was sent: set LAB_API_KEY"


def test_an_unknown_model_comes_with_a_hint():
    assert refused(404).hint == "is the model's name one of `moa models --all`, does base_url end in /v1?"


@pytest.mark.parametrize(
    ("said", "meant"),
    [("true", True), ("false", False), (" TRUE ", True), ("", None), ("yes", None), (None, None)],
)
def test_whether_to_retry_is_the_providers_word(said, meant):
    headers = {} if said is None else {"x_should_retry": said}
    assert refused(503, **headers).should_retry is meant


@pytest.mark.parametrize("status", [429, 503])
def test_when_to_retry_is_the_providers_word(status):
    assert refused(status, retry_after="7").retry_after == 7


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"message": "no", "code": 429}, RateLimited, 429),
        ({"message": "no", "code": "rate_limit_exceeded"}, RateLimited, None),
        ({"message": "no", "code": 502}, BadResponse, 502),
        ({"message": "no", "code": 401}, AuthenticationFailed, 401),
        ({"message": "no", "code": "context_length_exceeded"}, ContextTooLong, None),
        ({"message": "no", "code": "content_filter"}, ContentFiltered, None),
        ({"message": "no", "code": "server_error"}, BadResponse, None),
        ({"message": "no", "code": 12}, BadResponse, None),
        ({"message": None}, BadResponse, None),
        ("no", BadResponse, None),
        (True, BadResponse, None),
        (["no"], BadResponse, None),
    ],
)
def test_an_error_inside_an_answer_is_typed_by_its_code(error, kind, status):
    found = from_error(error, model="lab/m", key=None)
    assert (type(found), found.status, found.model) == (kind, status, "lab/m")
