"""Turning what a provider answered, or how it failed to, into a typed error."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    CallError,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
)
from moakit.models.overflow import overflow_in
from moakit.models.secrets import Key, as_secrets

_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size|limit)|maximum (context|prompt)|too many (input )?tokens"
    r"|(prompt|input) is too long|prompt too long|token count.{0,20}exceeds"
    r"|length of the messages or completion|longer than the (maximum )?(model|context)"
    r"|max_new_tokens`? must be <=",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large.{0,200}limit \d+, requested \d+", re.IGNORECASE | re.DOTALL)
"""One request of more tokens than a whole minute may have: as it is, it never goes through."""
_SHOWN = 300
_READ = 2000
"""Characters of a message that are shown, and that are looked at to find them."""


def from_status(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    model: str,
    key: Key,
    key_variable: str | None,
) -> CallError:
    """Return the error for an HTTP answer that is not a success."""
    code, text = _read(body)
    if status in (413, 429) and _TOO_LARGE.search(text):
        code = "context_length_exceeded"
    message = redact(text, key) or f"the provider answered HTTP {status}"
    facts: dict[str, Any] = {
        "model": model,
        "status": status,
        "code": _shown_code(code, key),
        "retry_after": retry_after(headers),
        "should_retry": _flag(headers.get("x-should-retry")),
    }
    if status == 429 and code != "context_length_exceeded":
        return RateLimited(f"rate limited: {message}", **facts)
    name = key_variable or "its api_key"
    hint = f"check {name}" if key else f"no key was sent: set {name}"
    return _from_text(f"HTTP {status}: {message}", code, text, facts, key_hint=hint, body=body)


def from_error(error: object, *, model: str, key: Key) -> CallError:
    """Return the error for an error object inside an answer of status 200 or inside a stream."""
    body = msgspec.json.encode({"error": error})
    code, text = _read(body)
    status = int(code) if code is not None and re.fullmatch(r"[45]\d\d", code) else None
    facts: dict[str, Any] = {"model": model, "status": status, "code": _shown_code(code, key)}
    message = redact(text, key) or "the provider sent an error"
    hint = "check the provider's api_key"
    if status == 429 or (code or "").startswith("rate_limit"):
        return RateLimited(f"rate limited: {message}", **facts)
    return _from_text(message, code, text, facts, key_hint=hint, body=body)


def _from_text(
    message: str, code: str | None, text: str, facts: Mapping[str, Any], *, key_hint: str, body: bytes
) -> CallError:
    if facts["status"] in (401, 403):
        return AuthenticationFailed(message, hint=key_hint, **facts)
    if code == "context_length_exceeded" or (
        facts["status"] in (400, 413, 422, None) and _TOO_LONG.search(text)
    ):
        return _too_long(message, text, facts, body)
    if code in ("content_filter", "content_policy_violation"):
        return ContentFiltered(message, **facts)
    missing = facts["status"] == 404
    hint = "is the model's name one of `moa models --all`, does base_url end in /v1?" if missing else None
    return BadResponse(message, hint=hint, **facts)


def _too_long(message: str, text: str, facts: Mapping[str, Any], body: bytes) -> ContextTooLong:
    # Some name the numbers in fields beside their message.
    found = overflow_in(f"{text} {body[:_READ].decode('utf-8', 'replace')}")
    return ContextTooLong(
        message,
        needed=None if found.prompt is None else found.prompt + (found.answer or 0),
        window=found.window,
        answer=found.answer,
        hint="shorten the prompt or use a model with a larger window",
        **facts,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a provider asks to wait: `retry-after-ms`, `Retry-After` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("Retry-After") or headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        when = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, when - time.time())


def redact(text: str, key: Key, *, shown: int = _SHOWN) -> str:
    """Return provider text, shortened, without what is secret or looks like it."""
    secrets = as_secrets(key)
    text = " ".join(secrets.hidden_in(secrets.beginning(text, _READ)).split())
    return text if len(text) <= shown else text[: shown - 1] + "…"


def excerpt(data: bytes, key: Key) -> str:
    """Return the beginning of what cannot be read, redacted before it is cut."""
    return redact(_beginning(data), key, shown=100)


def _read(body: bytes) -> tuple[str | None, str]:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, _beginning(body)
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return None, str(error)
    code = error.get("code") or error.get("type")
    text = error.get("message") or error.get("detail") or msgspec.json.encode(error).decode()
    return (None if code is None else str(code)), text if isinstance(text, str) else str(text)


def _beginning(data: bytes) -> str:
    # A character has four bytes at most: this is more than is shown, so that who cuts it knows that he does.
    return data[: 5 * _READ].decode("utf-8", "replace")


def _shown_code(code: str | None, key: Key) -> str | None:
    return None if code is None else redact(code, key, shown=100)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _flag(value: str | None) -> bool | None:
    return {"true": True, "false": False}.get((value or "").strip().lower())
