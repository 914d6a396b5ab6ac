"""What is written down of one call: a line in the run's ledger, and the event that tells of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moakit.errors import AuthenticationFailed, BudgetExceeded, CallError
from moakit.events import CallFailed, CallFinished
from moakit.models import prices
from moakit.types import Call, Response

if TYPE_CHECKING:
    from moakit.models.base import Model, Reply
    from moakit.run.scope import Run


class Attempts:
    """The attempts of one call so far, and what the successful one gave.

    `seconds` and `first_token` belong to the last attempt, in seconds from its start.
    """

    __slots__ = ("count", "first_token", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.first_token: float | None = None


class Entry:
    """The line of one model's call, opened before its first attempt; seconds count from then."""

    __slots__ = ("_attempts", "_before", "_model", "_run", "_started")

    def __init__(self, run: Run, model: Model, attempts: Attempts) -> None:
        self._run = run
        self._model = model
        self._attempts = attempts
        self._before = attempts.count
        self._started = run.journey.loop.time()

    def succeeded(self, reply: Reply, *, left_out: int = 0) -> Response:
        """Enter a reply and return it as a response; `left_out` tokens of its references were not sent."""
        run, attempts, name = self._run, self._attempts, self._model.name
        response = Response(
            text=reply.text,
            model=name,
            path=run.path,
            role=run.role,
            usage=reply.usage,
            cost=reply.cost,
            finish_reason=reply.finish_reason,
            tool_calls=reply.tool_calls,
            reasoning=reply.reasoning,
            seconds=attempts.seconds,
            first_token=attempts.first_token,
            attempts=attempts.count,
            extra=reply.extra,
            left_out=left_out,
        )
        run.record(
            Call(
                path=run.path,
                model=name,
                role=run.role,
                usage=reply.usage,
                cost=reply.cost,
                seconds=attempts.seconds,
                attempts=attempts.count - self._before,
                left_out=left_out,
            )
        )
        if run.journey.watched:
            run.tell(CallFinished, response=response)
        return response

    def failed(self, error: CallError | BudgetExceeded, status: str = "failed") -> None:
        """Enter a failure; whoever knows whether it is final tells of it."""
        run, model = self._run, self._model
        made = self._attempts.count - self._before
        # A refused call is not billed; one that was cut off may have been, and nobody knows for how much.
        refused = (
            not made or isinstance(error, AuthenticationFailed | BudgetExceeded) or error.status is not None
        )
        free = refused or not prices.may_cost(model.endpoint, model.name)
        run.record(
            Call(
                path=run.path,
                model=model.name,
                role=run.role,
                status=status,
                cost=0.0 if free else None,
                seconds=run.journey.loop.time() - self._started,
                attempts=made,
                error=type(error).__name__,
                message=str(error),
            )
        )

    def cancelled(self, error: asyncio.CancelledError) -> None:
        """Enter a call that was dropped, and tell of it."""
        reason = str(error.args[0]) if error.args and error.args[0] else "the run was cancelled"
        dropped = CallError(f"dropped: {reason}", model=self._model.name)
        self.failed(dropped, "cancelled")
        self._run.tell(CallFailed, error=dropped, final=True)
