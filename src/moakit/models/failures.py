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

_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|maximum (context|prompt)|too many (input )?tokens"
    r"|(prompt|input) is too long|token count.{0,20}exceeds",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\b((sk|gsk|csk|key|tgp|xai|hf|pk|fw|ghp|gho|github_pat|nvapi|pplx)[-_]|AIza)[A-Za-z0-9_\-*]{6,}"
    r"|Bearer\s+\S+",
    re.IGNORECASE,
)
_SHOWN = 300
_READ = 2000
"""Characters of a message that are shown, and bytes that are looked at to find them."""
_WORD = 8
"""A key shorter than this is hidden only where it stands alone: "ollama" or "none" are words as well."""


def from_status(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    model: str,
    key: str | None,
    key_variable: str | None,
) -> CallError:
    """Return the error for an HTTP answer that is not a success."""
    code, text = _read(body, key)
    message = redact(text, key) or f"the provider answered HTTP {status}"
    facts: dict[str, Any] = {
        "model": model,
        "status": status,
        "code": code,
        "retry_after": retry_after(headers),
        "should_retry": _flag(headers.get("x-should-retry")),
    }
    if status == 429:
        return RateLimited(f"rate limited: {message}", **facts)
    name = key_variable or "its api_key"
    hint = f"check {name}" if key else f"no key was sent: set {name}"
    return _from_text(f"HTTP {status}: {message}", code, text, facts, hint)


def from_error(error: object, *, model: str, key: str | None) -> CallError:
    """Return the error for an error object inside an answer of status 200 or inside a stream."""
    code, text = _read(msgspec.json.encode({"error": error}), key)
    status = int(code) if code is not None and re.fullmatch(r"[45]\d\d", code) else None
    facts: dict[str, Any] = {"model": model, "status": status, "code": code}
    message = redact(text, key) or "the provider sent an error"
    if status == 429 or (code or "").startswith("rate_limit"):
        return RateLimited(f"rate limited: {message}", **facts)
    return _from_text(message, code, text, facts, "check the provider's api_key")


def _from_text(
    message: str, code: str | None, text: str, facts: Mapping[str, Any], key_hint: str
) -> CallError:
    if facts["status"] in (401, 403):
        return AuthenticationFailed(message, hint=key_hint, **facts)
    if code == "context_length_exceeded" or (
        facts["status"] in (400, 413, 422, None) and _TOO_LONG.search(text)
    ):
        return ContextTooLong(message, hint="shorten the prompt or use a model with a larger window", **facts)
    if code in ("content_filter", "content_policy_violation"):
        return ContentFiltered(message, **facts)
    missing = facts["status"] == 404
    hint = "is the model's name one of `moa models --all`, does base_url end in /v1?" if missing else None
    return BadResponse(message, hint=hint, **facts)


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


def redact(text: str, key: str | None, *, shown: int = _SHOWN) -> str:
    """Return provider text, shortened, without the key in use or anything that looks like one."""
    text = _SECRET.sub("***", " ".join(_without(key, text).split()))
    return text if len(text) <= shown else text[: shown - 1] + "…"


def _without(key: str | None, text: str) -> str:
    if key and len(key) >= _WORD:
        return text.replace(key, "***")
    return re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "***", text) if key else text


def excerpt(data: bytes, key: str | None) -> str:
    """Return the beginning of what cannot be read, redacted before it is cut."""
    return redact(_beginning(data, key), key, shown=100)


def _beginning(data: bytes, key: str | None) -> str:
    # A key that the cut would leave a part of is hidden while it is whole.
    hidden = (key or "").encode()
    if len(hidden) >= _WORD:
        data = data[: _READ + len(hidden)].replace(hidden, b"***")
    return data[:_READ].decode("utf-8", "replace")


def _read(body: bytes, key: str | None) -> tuple[str | None, str]:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, _beginning(body, key)
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return None, str(error)
    code = error.get("code") or error.get("type")
    text = error.get("message") or error.get("detail") or msgspec.json.encode(error).decode()
    return (None if code is None else _without(key, str(code))), text if isinstance(text, str) else str(text)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _flag(value: str | None) -> bool | None:
    return {"true": True, "false": False}.get((value or "").strip().lower())
