"""When a failed attempt is repeated, and after how long: the one place that decides it.

The semantics are those users know from the official openai SDK: 408, 409, 429, 5xx and connection errors,
0.5 s doubling to 8 s with jitter, `retry-after-ms`, `Retry-After`, `x-should-retry`; a wait of more than two
minutes is not waited for.
"""

from __future__ import annotations

import random

from moakit.errors import BadResponse, CallError, ConnectionFailed, ContextTooLong, ModelTimeout, RateLimited

FIRST, LONGEST, PATIENCE = 0.5, 8.0, 120.0
"""Seconds before the first repetition, the longest back-off, and the longest Retry-After that is honoured."""
_REPEATED = frozenset({408, 409, 425})
"""Statuses that are repeated although they are below 500; 429 is `RateLimited`."""


def retryable(error: CallError) -> bool:
    """Say whether the same call may succeed when it is made again."""
    if isinstance(error, ContextTooLong):
        # Whatever the provider says: it does not become shorter by itself.
        return False
    if error.should_retry is not None:
        return error.should_retry
    if isinstance(error, ModelTimeout):
        # A silent model is not asked again on the same route: it would take as long once more.
        return error.timer == "connect"
    if isinstance(error, BadResponse):
        return error.status is None or error.status >= 500 or error.status in _REPEATED
    return isinstance(error, RateLimited | ConnectionFailed)


def wait_before(error: CallError, attempts: int, *, retries: int, remaining: float) -> float | None:
    """Return the seconds to wait before the next attempt, None when there is to be none.

    `attempts` have been made so far; `remaining` seconds are left until the run's deadline.
    """
    if attempts == 1 and isinstance(error, ConnectionFailed) and error.reused and remaining > 0:
        return 0.0
    if attempts > retries or not retryable(error):
        return None
    wait = min(FIRST * 2 ** min(attempts - 1, 10), LONGEST) * random.uniform(0.75, 1.0)
    if error.retry_after is not None:
        if error.retry_after > PATIENCE:
            return None
        # At least what was asked for; the jitter goes upwards, so that a crowd does not return together.
        wait = max(wait, error.retry_after * random.uniform(1.0, 1.1))
    return wait if wait < remaining else None
