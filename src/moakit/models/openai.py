"""The client of OpenAI's chat completions: one request, answered as JSON or as a stream.

Follows https://platform.openai.com/docs/api-reference/chat, with the departures that `providers` lists.
It makes exactly one attempt, but for a parameter that the provider rejects by name: that one is dropped,
with a warning, and remembered. Repeating a call is the retry policy's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from moakit.errors import AuthenticationFailed, BadResponse, CallError, ConnectionFailed, ModelTimeout
from moakit.models import failures, prices
from moakit.models.base import Listener, Reply
from moakit.models.completion import Assembly, reply_from
from moakit.models.pools import pool_for
from moakit.models.sse import EventParser

if TYPE_CHECKING:
    import aiohttp

    from moakit.models.providers import Endpoint
    from moakit.types import Message

_log = logging.getLogger("moakit")

ANSWER_LIMIT = 64 * 1024 * 1024
"""The largest JSON answer taken, in bytes."""
TRAILER = 0.5
"""How long to wait, in seconds, for what may follow the end of an answer: usage, `[DONE]`, the body's end."""
OPTIONAL = frozenset(
    [
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream_options",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    ]
)
"""Parameters a call can do without, so that one the provider rejects is dropped."""


class OpenAIModel:
    """One model of one OpenAI-compatible provider.

    `model` is the provider's own name for it, `name` the full one.
    """

    __slots__ = ("_dropped", "_environ", "_headers", "_renamed", "_url", "endpoint", "model", "name")

    def __init__(self, endpoint: Endpoint, model: str, *, environ: Mapping[str, str] | None = None) -> None:
        self.endpoint: Endpoint = endpoint
        self.model = model
        self.name = f"{endpoint.name}/{model}"
        self._url = f"{endpoint.base_url}/chat/completions"
        self._environ = environ
        self._headers: Mapping[str, str] | None = None
        self._dropped = set(endpoint.quirks.drop)
        self._renamed = dict(endpoint.quirks.rename)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, OpenAIModel) and self.model == other.model and self.endpoint == other.endpoint
        )

    def __hash__(self) -> int:
        return hash((self.name, self.endpoint.base_url))

    async def respond(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], listener: Listener | None = None
    ) -> Reply:
        """Make one attempt; raises `CallError`."""
        while True:
            body = self._body(messages, parameters, streamed=listener is not None)
            try:
                return await self._attempt(msgspec.json.encode(body), body, listener)
            except BadResponse as error:
                if not self._adapt(error, body):
                    raise

    def _body(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], *, streamed: bool
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": messages, **parameters}
        if streamed:
            body["stream"] = True
            if self.endpoint.quirks.usage_in_stream:
                body["stream_options"] = {"include_usage": True}
        for name, renamed in self._renamed.items():
            if name in body:
                body[renamed] = body.pop(name)
        for name in self._dropped:
            body.pop(name, None)
        return body

    async def _attempt(self, payload: bytes, body: Mapping[str, Any], listener: Listener | None) -> Reply:
        headers = self._headers or self._make_headers()
        pool = await pool_for(self.endpoint)
        response: aiohttp.ClientResponse | None = None
        try:
            response = await pool.session.post(
                self._url, data=payload, headers=headers, allow_redirects=False, proxy=pool.proxy
            )
            if response.status != 200:
                await self._refuse(response)
            if listener is None:
                reply = reply_from(await self._read(response), model=self.name, key=self._key())
            else:
                reply = await self._stream(response, listener, choices=body.get("n") or 1)
        except (TimeoutError, OSError) as error:
            raise self._connection_error(error, started=response is not None) from error
        except Exception as error:
            if isinstance(error, CallError):
                error.model = self.name
                raise
            raise self._transport_error(error, started=response is not None) from error
        finally:
            # An unread body closes its connection, which is what tells the provider to stop.
            if response is not None:
                response.close()
        reply.cost = prices.cost(self.endpoint, self.model, reply.usage, reply.cost)
        return reply

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.content_length is not None and response.content_length <= ANSWER_LIMIT:
            return await response.read()
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > ANSWER_LIMIT:
                raise BadResponse(f"the answer is larger than {ANSWER_LIMIT} bytes")
            parts.append(part)
        return b"".join(parts)

    async def _stream(self, response: aiohttp.ClientResponse, listener: Listener, *, choices: int) -> Reply:
        if response.content_type == "application/json":
            # Some servers ignore `stream`: their whole answer is one piece.
            reply = reply_from(await self._read(response), model=self.name, key=self._key())
            if reply.reasoning:
                listener(reply.reasoning, "reasoning")
            listener(reply.text)
            return reply
        parser = EventParser()
        assembly = Assembly(listener, model=self.name, key=self._key(), choices=choices)
        read = response.content.readany
        while not assembly.finished:
            data = await read()
            if not data:
                break
            assembly.take(parser.feed(data))
            if listener.full:
                await listener.drain()
        try:
            async with asyncio.timeout(TRAILER):
                while not assembly.done and (data := await read()):
                    assembly.take(parser.feed(data))
        except TimeoutError:
            pass
        assembly.take(parser.close())
        reply = assembly.reply()
        if assembly.done and not response.content.at_eof():
            await self._finish(response)
        return reply

    @staticmethod
    async def _finish(response: aiohttp.ClientResponse) -> None:
        # The body's end comes right behind [DONE]; having read it, the connection can be used again.
        try:
            async with asyncio.timeout(0.02):
                await response.content.readany()
        except (TimeoutError, OSError):
            pass

    async def _refuse(self, response: aiohttp.ClientResponse) -> NoReturn:
        body = b""
        async for part in response.content.iter_any():
            body += part
            if len(body) > 64 * 1024:
                break
        raise failures.from_status(
            response.status,
            response.headers,
            body,
            model=self.name,
            key=self._key(),
            key_variable=self.endpoint.key_variable,
        )

    def _adapt(self, error: BadResponse, body: Mapping[str, Any]) -> bool:
        """Learn from a 400 that names a parameter; say whether another attempt makes sense."""
        if error.status not in (400, 422):
            return False
        for name in OPTIONAL & body.keys():
            if (
                f"'{name}'" not in error.message
                and f'"{name}"' not in error.message
                and f"`{name}`" not in error.message
            ):
                continue
            if name == "max_tokens" and "max_completion_tokens" in error.message:
                self._renamed["max_tokens"] = "max_completion_tokens"
            elif name in self._dropped:
                return False
            else:
                self._dropped.add(name)
            _log.warning("%s does not take %r, which is left out from now on", self.name, name)
            return True
        return False

    def _key(self) -> str | None:
        return self.endpoint.key(self._environ)

    def _make_headers(self) -> Mapping[str, str]:
        key = self._key()
        if key is None and self.endpoint.key_variable and not self.endpoint.local:
            raise AuthenticationFailed(
                f"there is no key for provider {self.endpoint.name!r}",
                model=self.name,
                hint=f"set {self.endpoint.key_variable} in the environment or in .env",
            )
        headers = {"Content-Type": "application/json", **self.endpoint.headers}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        prices.warm(self.endpoint)
        self._headers = headers
        return headers

    def _connection_error(self, error: Exception, *, started: bool) -> CallError:
        import aiohttp

        if isinstance(error, asyncio.TimeoutError):
            return ModelTimeout(
                f"no connection to {self.endpoint.base_url} within {self.endpoint.connect:g} s",
                timer="connect",
                model=self.name,
            )
        if started:
            return BadResponse(
                f"the connection broke in the middle of the answer: {_plain(error)}", model=self.name
            )
        reused = isinstance(
            error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError
        ) and not isinstance(error, aiohttp.ClientConnectorError)
        hint = "is the server running?" if isinstance(error, aiohttp.ClientConnectorError) else None
        return ConnectionFailed(
            f"cannot reach {self.endpoint.base_url}: {_plain(error)}",
            model=self.name,
            reused=reused,
            hint=hint,
        )

    def _transport_error(self, error: Exception, *, started: bool) -> CallError:
        import aiohttp

        if isinstance(error, aiohttp.ServerDisconnectedError) and not started:
            return self._connection_error(error, started=False)
        if isinstance(error, aiohttp.ClientError | ValueError):
            return BadResponse(f"the answer cannot be read: {_plain(error)}", model=self.name)
        raise error


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__
