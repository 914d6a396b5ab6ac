"""What is written down of a call: a line in the run's ledger, and the event that tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moakit.errors import AuthenticationFailed, BudgetExceeded
from moakit.events import CallFinished
from moakit.models import prices
from moakit.types import Call, Response

if TYPE_CHECKING:
    from moakit.errors import CallError
    from moakit.models.base import Model, Reply
    from moakit.run.attempts import Attempts
    from moakit.run.scope import Run


def enter_reply(attempts: Attempts, reply: Reply, *, left_out: int) -> Response:
    """Enter the reply of a call and return it as a response; `left_out` tokens of its references were cut."""
    run, name = attempts.run, attempts.model.name
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
            attempts=attempts.mine,
            left_out=left_out,
        )
    )
    if run.journey.watched:
        run.tell(CallFinished, response=response)
    return response


def enter_failure(
    run: Run, model: Model, error: CallError | BudgetExceeded, *, status: str, since: float, attempts: int
) -> None:
    """Enter a call that "failed" or was "cancelled"; `since` is the loop's time when it began."""
    # A refused call is not billed; one that was cut off may have been, and nobody knows for how much.
    refused = (
        not attempts or isinstance(error, AuthenticationFailed | BudgetExceeded) or error.status is not None
    )
    free = refused or not prices.may_cost(model.endpoint, model.name)
    run.record(
        Call(
            path=run.path,
            model=model.name,
            role=run.role,
            status=status,
            cost=0.0 if free else None,
            seconds=run.journey.loop.time() - since,
            attempts=attempts,
            error=type(error).__name__,
            message=str(error),
        )
    )
