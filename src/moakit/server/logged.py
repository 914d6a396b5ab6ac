"""What the log says of a run that went wrong: which model failed and how, never what anybody wrote.

Providers quote in their errors what they were sent, so their words are for the client and for DEBUG alone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from moakit.errors import (
    AuthenticationFailed,
    CallError,
    ConnectionFailed,
    InvalidRequest,
    MoaError,
    ModelTimeout,
    NotEnoughResponses,
)

if TYPE_CHECKING:
    from moakit.types import Answer

_log = logging.getLogger("moakit.server")

LONGEST = 2000
"""Characters of a text that a line tells."""
_OURS = (ConnectionFailed, ModelTimeout, AuthenticationFailed)
"""Failed calls whose message is our own where no provider has answered."""


def log_failure(run_id: str, name: str, error: Exception) -> None:
    """Write the line of a run that failed."""
    _log.warning("%s %s failed: %s", run_id, _line(name), _line(_brief(error)))
    _log.debug("%s: %s", run_id, _line(str(error)))


def log_loss(run_id: str, name: str, answer: Answer) -> None:
    """Write the line of a run that went without something."""
    lost = [
        # A call that was dropped was dropped by us, for a reason of ours.
        call.message if call.status == "cancelled" else f"{call.model}: {call.error}"
        for call in answer.failures
    ]
    _log.warning(
        "%s %s is degraded: %s", run_id, _line(name), _line("; ".join(lost)) or "a fallback answered"
    )
    _log.debug("%s: %s", run_id, _line("; ".join(call.message for call in answer.failures)))


def _line(text: str) -> str:
    """Return a text as a part of one line: what a client or a provider named begins none of its own."""
    folded = " ".join(text[:LONGEST].split())
    return "".join(letter if letter.isprintable() else "?" for letter in folded)


def _brief(error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, NotEnoughResponses):
        return f"{error.message}: " + "; ".join(map(_brief, error.exceptions))
    if isinstance(error, CallError):
        what = kind if error.status is None else f"{kind}, HTTP {error.status}"
        if error.status is None and isinstance(error, _OURS):
            what = error.message
        return f"{error.model}: {what}" + (f" ({error.hint})" if error.hint else "")
    return str(error) if isinstance(error, MoaError) and not isinstance(error, InvalidRequest) else kind
