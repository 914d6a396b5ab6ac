"""Answers that are not a stream: JSON, and errors in OpenAI's shape."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    BudgetExceeded,
    CallError,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    MoaError,
    ModelTimeout,
    NotEnoughResponses,
    RateLimited,
    SchemaMismatch,
    UnknownModel,
    UserError,
)
from moakit.policies.admission import Overloaded

if TYPE_CHECKING:
    from starlette.types import Send

_log = logging.getLogger("moakit.server")

NOSNIFF = (b"x-content-type-options", b"nosniff")
"""The header of every answer: a browser is not to take it for a page, whatever stands in it."""
LONGEST = 10_000
"""Characters of an error that a client is sent: what it asked for may be in it, and may be megabytes."""


class Failure(msgspec.Struct, frozen=True):
    """An error as a client sees it: HTTP status and OpenAI's error object.

    `retry_after` is in seconds; `should_retry` tells the official SDK whether to repeat the request.
    """

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None

    def body(self) -> dict[str, Any]:
        """Return OpenAI's error object."""
        message, param = _cut(self.message), self.param and _cut(self.param)
        return {"message": message, "type": self.kind, "param": param, "code": self.code}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


INTERNAL = Failure(500, "an internal error; the server's log has the details", kind="server_error")


def failure_of(error: BaseException) -> Failure:
    """Return what a client is told of an error; one that is not ours is logged and told as a bare 500."""
    text = str(error)
    if isinstance(error, UnknownModel):
        return Failure(404, text, code="model_not_found", param="model")
    if isinstance(error, InvalidRequest):
        return Failure(400, text, param=error.param)
    if isinstance(error, UserError):
        return Failure(400, text)
    if isinstance(error, NotEnoughResponses):
        return _failure_of_group(error)
    if isinstance(error, CallError):
        return _failure_of_call(error, text)
    if isinstance(error, DeadlineExceeded):
        return Failure(504, text, kind="timeout_error", code="deadline_exceeded", should_retry=False)
    if isinstance(error, BudgetExceeded | Overloaded):
        return _failure_of_limit(error, text)
    if isinstance(error, MoaError):
        return Failure(500, text, kind="server_error", should_retry=False)
    _log.error("an unexpected error", exc_info=error)
    return INTERNAL


def _failure_of_limit(error: BudgetExceeded | Overloaded, text: str) -> Failure:
    if isinstance(error, Overloaded):
        # Nothing was run, so a client's own retries are welcome, when there is room.
        return Failure(503, f"the server is busy: {text}", kind="server_error", code="server_overloaded",
                       retry_after=error.retry_after, should_retry=True)  # fmt: skip
    if error.shared:
        return Failure(429, text, kind="insufficient_quota", code="insufficient_quota", should_retry=False)
    return Failure(400, text, code="budget_exceeded", should_retry=False)


def _failure_of_call(error: CallError, text: str) -> Failure:
    # The calls were repeated already as often as makes sense: a client's own retries would multiply them.
    if isinstance(error, RateLimited):
        return Failure(429, text, kind="rate_limit_error", code="rate_limit_exceeded",
                       retry_after=error.retry_after, should_retry=False)  # fmt: skip
    if isinstance(error, ContextTooLong):
        return Failure(400, text, code="context_length_exceeded", param="messages")
    if isinstance(error, ContentFiltered):
        return Failure(400, text, code="content_filter")
    if isinstance(error, ModelTimeout):
        return Failure(504, text, kind="timeout_error", code="upstream_timeout", should_retry=False)
    if isinstance(error, AuthenticationFailed):
        return Failure(502, text, kind="upstream_error", code="upstream_authentication", should_retry=False)
    if isinstance(error, SchemaMismatch):
        return Failure(502, text, kind="upstream_error", code="schema_mismatch", should_retry=False)
    if isinstance(error, BadResponse) and error.status in (400, 422):
        return Failure(400, text, code=error.code)
    return Failure(502, text, kind="upstream_error", code="upstream_error", should_retry=False)


def _failure_of_group(error: NotEnoughResponses) -> Failure:
    causes = [failure_of(cause) for cause in error.exceptions]
    statuses = {cause.status for cause in causes}
    if statuses == {429}:
        waits = [cause.retry_after for cause in causes if cause.retry_after is not None]
        return msgspec.structs.replace(causes[0], message=str(error), retry_after=max(waits, default=None))
    if len(statuses) == 1 and statuses != {500}:
        alike = len({cause.code for cause in causes}) == 1
        code = causes[0].code if alike else "not_enough_responses"
        return msgspec.structs.replace(causes[0], message=str(error), code=code)
    return Failure(502, str(error), kind="upstream_error", code="not_enough_responses", should_retry=False)


async def send_json(
    send: Send, status: int, content: object, headers: Mapping[str, str] | None = None
) -> None:
    """Send a JSON answer."""
    await send_body(send, status, encoded(content), headers)


def encoded(content: object) -> bytes:
    """Return content as JSON."""
    return msgspec.json.encode(content)


async def send_body(send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Send an answer that is JSON already."""
    raw = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), NOSNIFF]
    raw += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def send_failure(send: Send, failure: Failure, headers: Mapping[str, str] | None = None) -> None:
    """Send an error with its status, `Retry-After` and `x-should-retry`."""
    extra = dict(headers or {})
    if failure.retry_after is not None:
        extra["retry-after"] = str(math.ceil(failure.retry_after))
    if failure.should_retry is not None:
        extra["x-should-retry"] = str(failure.should_retry).lower()
    if failure.status == 401:
        extra["www-authenticate"] = "Bearer"
    await send_json(send, failure.status, {"error": failure.body()}, extra)
