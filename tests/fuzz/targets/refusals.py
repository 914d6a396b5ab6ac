"""A provider's refusals: the typed error they become, and what a client is told of it."""

import json

from moakit.errors import CallError
from moakit.models import failures
from moakit.server.replies import encoded, failure_of
from tests.fuzz.source import as_json, made
from tests.models.wire import KEY

HERE = b"@KEY@"
"""What stands for the key in an input, so that a fuzzer need not guess it."""
KEYS = (
    "choices", "message", "delta", "content", "reasoning", "reasoning_content", "tool_calls", "function",
    "name", "arguments", "id", "index", "finish_reason", "logprobs", "usage", "error", "code", "type", "text",
    "x_groq", "role", "refusal", "annotations", "audio", "token", "prompt_tokens", "completion_tokens",
    "total_tokens", "prompt_tokens_details", "cached_tokens", "completion_tokens_details",
    "reasoning_tokens", "prompt_cache_hit_tokens", "cost", "system_fingerprint", "service_tier", "detail",
)  # fmt: skip
WORDS = (
    "a", "stop", "length", "error", "content_filter", "tool_calls", "<think>", "</think>", "<thi", "nk>",
    "rate_limit_exceeded", "context_length_exceeded", "401", "429", "too many tokens", "text", "function",
    KEY, "{}", "[DONE]", "assistant",
)  # fmt: skip


def refusals(data: bytes) -> None:
    """A refusal: a typed error without the key, a wait that is one, a JSON that a client can be sent."""
    source = made(data)
    if source is None:
        head, _, body = data.replace(HERE, KEY.encode()).partition(b"\n")
        status, wait = 400 + sum(head) % 200, head.decode("latin-1").strip()
    else:
        status = source.choose((400, 401, 403, 404, 413, 422, 429, 500, 503, 302))
        wait = source.text(("1", "-", ".", "e9", "Wed, 21 Oct 2015 07:28:00 GMT", "Oct", ":", "+0000", "nan"))
        error = {"message": f"no {KEY}", "code": "x", "type": "t", "param": None}
        body = as_json(source.near({"error": error}, KEYS, WORDS))
    headers = {"Retry-After": wait, "retry-after-ms": wait, "x-should-retry": wait}
    error = failures.from_status(status, headers, body, model="lab/m", key=KEY, key_variable=None)
    safe(error)
    seconds = error.retry_after
    assert seconds is None or 0 <= seconds < float("inf")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    safe(failures.from_error(value, model="lab/m", key=KEY))


def redaction(data: bytes) -> None:
    """Redacting: no key comes back, no part of it where a text is cut; a second time changes nothing."""
    body = data.replace(HERE, KEY.encode())
    text = body.decode("utf-8", "replace")
    for shown in (failures.redact(text, KEY), failures.excerpt(body, KEY)):
        assert KEY not in shown and len(shown) <= 300
        if text.count(KEY[:9]) == text.count(KEY):
            assert KEY[:9] not in shown, shown
        assert failures.redact(shown, KEY) == shown


def safe(error: CallError) -> None:
    """Check that an error says nothing it must not, and that a client can be told of it."""
    assert KEY not in f"{error} {error.code}"
    failure = failure_of(error)
    assert 400 <= failure.status < 600 and failure.status != 500
    encoded(failure.body())
