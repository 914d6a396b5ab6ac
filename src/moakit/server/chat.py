"""`POST /v1/chat/completions`: a request in, an answer out, streamed or whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from moakit.policies.admission import Overloaded
from moakit.policies.settings import DEADLINE
from moakit.run.journey import Journey
from moakit.server.access import WHO
from moakit.server.logged import log_failure, log_loss
from moakit.server.openwebui.client import shown, speaks, task_of
from moakit.server.openwebui.dialect import Dialect
from moakit.server.openwebui.history import cleaned
from moakit.server.openwebui.tasks import model_for
from moakit.server.outlet import Outlet, headers_of
from moakit.server.replies import Failure, encoded, failure_of, send_body, send_failure
from moakit.server.requests import BodyTimeout, BodyTooLarge, Work, discard_body, read_body, understand
from moakit.server.wire import completion, usage_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

    from moakit.config import Config
    from moakit.policies.admission import Admission
    from moakit.policies.budget import Budget
    from moakit.server.health import Load
    from moakit.types import Answer

STOPPING = Failure(
    503, "the server is shutting down", kind="server_error", retry_after=1, should_retry=True
)  # fmt: skip
"""What a client is told that comes too late, or whose answer takes too long."""


class Chat:
    """The endpoint."""

    def __init__(
        self,
        config: Config,
        load: Load,
        *,
        overrides: bool,
        budgets: Mapping[str, Budget] | None = None,
        openwebui: bool = False,
    ) -> None:
        self._config = config
        self._load = load
        self._overrides = overrides
        self._budgets = budgets or {}
        self._openwebui = openwebui

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._load.draining:
            await _dismiss(STOPPING, receive, send)
            return
        share = self._load.shares.get(scope.get(WHO, ""))
        began = 0.0
        if share is not None:
            try:
                began = share.enter()
            except Overloaded as busy:
                await _dismiss(_too_many(scope[WHO], share, busy), receive, send)
                return
        # A task of its own, which ends when the client leaves, or when the server may wait no longer.
        request = asyncio.create_task(self._handle(scope, receive, send))
        if share is not None:
            request.add_done_callback(lambda _: share.leave(began))
        with self._load.holding(request):
            try:
                await asyncio.wait([request])
            finally:
                request.cancel()
        if not request.cancelled() and isinstance(error := request.exception(), Exception):
            raise error

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, self._config.server.max_body)
            work = self._fitted(understand(body, self._config, overrides=self._overrides), scope)
        except ConnectionResetError:
            return
        except BodyTooLarge as error:
            await _dismiss(Failure(413, str(error), code="request_too_large"), receive, send)
            return
        except BodyTimeout as error:
            await send_failure(send, Failure(408, str(error)), {"connection": "close"})
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            await send_failure(send, failure_of(error))
            return
        except asyncio.CancelledError:
            if self._load.stopped:
                await send_failure(send, STOPPING, {"connection": "close"})
            raise
        gone = asyncio.create_task(_until_gone(receive, asyncio.current_task()))
        answer = self._streamed if work.stream else self._whole
        try:
            if self._load.admission is None:
                await answer(work, send)
            else:
                await self._in_turn(self._load.admission, answer, work, send)
        finally:
            gone.cancel()

    async def _in_turn(
        self, admission: Admission, answer: Callable[[Work, Send], Awaitable[None]], work: Work, send: Send
    ) -> None:
        """Answer once there is a place; nothing is sent before."""
        try:
            # The deadline is the run's own, so it counts from its turn, and as much may be waited for that.
            began = await admission.turn(work.ensemble.settings.deadline or DEADLINE)
        except Overloaded as error:
            await send_failure(send, STOPPING if self._load.draining else failure_of(error))
            return
        except asyncio.CancelledError:
            if self._load.stopped:
                await send_failure(send, STOPPING)
            raise
        try:
            await answer(work, send)
        finally:
            admission.leave(began)

    def _fitted(self, work: Work, scope: Scope) -> Work:
        """Return the work as it is to be done: on the key's budget, as Open WebUI wants it."""
        budget = self._budgets.get(scope[WHO]) if self._budgets else None
        if budget is not None:
            work = work._replace(budgets=(budget,))
        headers, server = scope["headers"], self._config.server
        dialect = self._openwebui or speaks(headers, server.openwebui)
        if dialect:
            work = work._replace(prompt=cleaned(work.prompt))
        task = task_of(headers, work.prompt, stream=work.stream, dialect=dialect)
        if task:
            return work._replace(ensemble=model_for(task, work.ensemble, self._config))
        return work._replace(dialect=dialect, show=shown(headers, server.show_proposers))

    @staticmethod
    async def _run(journey: Journey, work: Work) -> Answer:
        """Run the ensemble; one line in the log for each run that failed or went without something."""
        try:
            answer = await journey.execute(work.ensemble, work.prompt)
        except Exception as error:
            log_failure(journey.run_id, work.name, error)
            raise
        if answer.degraded:
            log_loss(journey.run_id, work.name, answer)
        return answer

    async def _whole(self, work: Work, send: Send) -> None:
        """Send the answer as one JSON object."""
        journey = Journey(name=work.name, parameters=work.parameters, budgets=work.budgets)
        try:
            answer = await self._run(journey, work)
            usage = usage_of(answer, report=self._config.server.usage)
            body = encoded(completion(answer, work.name, usage))
        except Exception as error:  # noqa: BLE001 - as above
            await send_failure(send, failure_of(error), headers_of(journey))
            return
        except asyncio.CancelledError:
            if self._load.stopped:
                await send_failure(send, STOPPING, headers_of(journey))
            raise
        await send_body(send, 200, body, headers_of(journey))

    async def _streamed(self, work: Work, send: Send) -> None:
        """Send the answer as server-sent events."""
        server = self._config.server
        if work.dialect:
            outlet: Outlet = Dialect(work, send, report=server.usage, show=work.show)
        else:
            outlet = Outlet(work, send, report=server.usage)
        journey = Journey(
            name=work.name,
            parameters=work.parameters,
            readers=(outlet.read,),
            gate=outlet,
            streaming=True,
            proposers=work.events,
            budgets=work.budgets,
        )
        outlet.attend(journey)
        try:
            answer = await self._run(journey, work)
            await outlet.finish(answer)
        except Exception as error:  # noqa: BLE001 - as above
            await _tell(failure_of(error), outlet, send, journey)
        except asyncio.CancelledError:
            if self._load.stopped:
                await _tell(STOPPING, outlet, send, journey)
            raise
        finally:
            outlet.close()


def _too_many(who: str, share: Admission, error: Overloaded) -> Failure:
    """Return what the owner of a key is told who asks for more at once than it may."""
    text = f"the key {who!r} may have {share.concurrency} requests at once (wait for one of them to end)"
    return Failure(429, text, kind="rate_limit_error", code="rate_limit_exceeded",
                   retry_after=error.retry_after, should_retry=True)  # fmt: skip


async def _dismiss(failure: Failure, receive: Receive, send: Send) -> None:
    """Send an error to a client that may still be sending, and close the connection when it has read it."""

    async def hold(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await send_failure(hold, failure, {"connection": "close"})
    await discard_body(receive)
    await send({"type": "http.response.body", "body": b""})


async def _tell(failure: Failure, outlet: Outlet, send: Send, journey: Journey) -> None:
    """Tell of a failure with its status, or, once the headers are out, inside the stream."""
    if outlet.started:
        await outlet.fail(failure)
    else:
        await send_failure(send, failure, headers_of(journey))


async def _until_gone(receive: Receive, request: asyncio.Task[None] | None) -> None:
    """Cancel the request when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if request is not None:
        request.cancel()
