"""The error bodies of OpenAI-compatible servers."""

import json
import math
import time
from email.utils import formatdate
from typing import Any

from .behaviour import Behaviour
from .calls import Call

TYPES: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request is not valid"),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    403: ("permission_error", "permission_denied", "This key may not use this model"),
    404: ("invalid_request_error", "model_not_found", "The model does not exist"),
    408: ("timeout_error", "request_timeout", "The request took too long"),
    409: ("conflict_error", "conflict", "The resource is locked"),
    413: ("invalid_request_error", "request_too_large", "The request is too large"),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached"),
    500: ("server_error", "internal_error", "The server had an error"),
    502: ("server_error", "bad_gateway", "Bad gateway"),
    503: ("server_error", "service_unavailable", "The engine is overloaded"),
    529: ("overloaded_error", "overloaded", "Overloaded"),
}
MESSAGES = {
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "content_filter": "The response was filtered due to the prompt triggering the content management policy.",
}


def error(
    status: int, *, code: str | None = None, message: str = "", param: str | None = None
) -> dict[str, Any]:
    """OpenAI's error object for a status."""
    kind, usual, sentence = TYPES.get(
        status, ("server_error" if status >= 500 else "invalid_request_error", None, "")
    )
    code = code or usual
    text = message or MESSAGES.get(code or "") or sentence or f"HTTP {status}"
    return {"error": {"message": text, "type": kind, "param": param, "code": code}}


def refusal(behaviour: Behaviour, call: Call) -> tuple[int, dict[str, Any]] | None:
    """The status and body with which this call is refused, if it is."""
    for param in behaviour.all("reject"):
        if param in call.body:
            text = f"Unsupported parameter: '{param}' is not supported with this model."
            return 400, error(400, code="unsupported_parameter", message=text, param=param)
    if behaviour.has("noprefill") and call.messages and call.messages[-1].get("role") == "assistant":
        return 400, error(
            400, message="The last message must not be from the assistant: prefill is not supported."
        )
    words = len(call.prompt.split())
    window = behaviour.count("context")
    if window is not None and words > window:
        return 400, overflow(window, words)
    if behaviour.has("refuse"):
        return 400, error(400, message=behaviour.text("refuse"))
    if behaviour.has("filter400"):
        return 400, error(400, code="content_filter")
    code = behaviour.word("code") or None
    waits = behaviour.has("retry_after") or behaviour.has("retry_after_ms")
    leaks = behaviour.has("leak")
    status = behaviour.count("status") or (400 if code else 429 if waits else 401 if leaks else None)
    if status is None:
        return None
    if leaks:
        return status, error(status, code=code, message=f"The key {call.key} is not good for this")
    if code == "context_length_exceeded":
        return status, overflow(8192, 8192 + words)
    return status, error(status, code=code)


def overflow(window: int, words: int) -> dict[str, Any]:
    """OpenAI's answer to a prompt that does not fit."""
    text = (
        f"This model's maximum context length is {window} tokens. However, your messages resulted in "
        f"{words} tokens. Please reduce the length of the messages."
    )
    return error(400, code="context_length_exceeded", message=text, param="messages")


def retry_headers(behaviour: Behaviour) -> dict[str, str]:
    """The headers that tell a client whether to come back, and when."""
    headers = {}
    if after := behaviour.word("retry_after"):
        if after.startswith("date"):
            after = formatdate(math.ceil(time.time() + float(after[4:] or 0)), usegmt=True)
        headers["retry-after"] = after
    if behaviour.has("retry_after_ms"):
        headers["retry-after-ms"] = behaviour.word("retry_after_ms")
    if behaviour.has("should_retry"):
        headers["x-should-retry"] = behaviour.word("should_retry")
    return headers


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
