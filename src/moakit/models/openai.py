"""The client of OpenAI's chat completions: one request, answered as JSON or as a stream.

Follows https://platform.openai.com/docs/api-reference/chat, with the departures that `providers` lists.
It makes exactly one attempt, but for a parameter that the provider does not support: that one is dropped,
with a warning, and remembered. Repeating a call is the retry policy's business.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    CallError,
    ConnectionFailed,
    InvalidRequest,
    ModelTimeout,
)
from moakit.models import failures, prices
from moakit.models.base import Listener, Reply
from moakit.models.chunks import Assembly
from moakit.models.completion import reply_from, tell
from moakit.models.parameters import Parameters
from moakit.models.pools import Pool, pool_for
from moakit.models.providers import variable
from moakit.models.secrets import Secrets, secrets_of, without_password
from moakit.models.sse import EventParser

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

    from moakit.models.providers import Endpoint
    from moakit.types import Message

ANSWER_LIMIT = 64 * 1024 * 1024
"""The largest JSON answer taken, in bytes."""
STREAM_LIMIT = 512 * 1024 * 1024
"""The largest stream taken, in bytes: a chunk is many times the size of its token."""
LARGE = 1024 * 1024
"""A request of this many bytes is sent in pieces."""
TRAILER = 0.5
"""How long to wait, in seconds, for what may follow the end of an answer: usage, `[DONE]`."""
LINGER = 0.02
"""How long to wait, in seconds, for the body's end behind `[DONE]`."""
REFUSAL_LIMIT = 64 * 1024
"""How much of a refusal is read, in bytes."""


class OpenAIModel:
    """One model of one OpenAI-compatible provider.

    `model` is the provider's own name for it, `name` the full one.
    """

    __slots__ = (
        "_environ",
        "_headers",
        "_parameters",
        "_pool",
        "_secrets",
        "_url",
        "endpoint",
        "model",
        "name",
    )

    def __init__(self, endpoint: Endpoint, model: str, *, environ: Mapping[str, str] | None = None) -> None:
        self.endpoint: Endpoint = endpoint
        self.model = model
        self.name = f"{endpoint.name}/{model}"
        self._url: str | URL = f"{endpoint.base_url}/chat/completions"
        self._environ = environ
        self._headers: Mapping[str, str] | None = None
        self._pool: Pool | None = None
        self._secrets = Secrets()
        self._parameters = Parameters(self.name, endpoint.quirks)

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
        body = self._body(messages, parameters, streamed=listener is not None)
        try:
            payload = msgspec.json.encode(body)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidRequest(f"the request cannot be written as JSON: {error}") from error
        pool = self._pool
        if pool is None or not pool.serves(asyncio.get_running_loop()):
            pool = self._pool = await pool_for(self.endpoint, self._headers or self._make_headers())
        response: aiohttp.ClientResponse | None = None
        try:
            response = await pool.session.post(
                self._url,
                # One piece of a large body after the other, so that the others' tokens are not held up.
                data=payload if len(payload) < LARGE else io.BytesIO(payload),
                allow_redirects=False,
                proxy=pool.proxy,
            )
            if response.status != 200:
                await self._refuse(response)
            if listener is None:
                whole = response.read() if _is_bounded(response) else self._read(response)
                reply = reply_from(await whole, model=self.name, key=self._secrets)
            else:
                reply = await self._stream(response, listener, choices=body.get("n"))
        except (TimeoutError, OSError) as error:
            raise self._connection_error(error, started=response is not None) from error
        except Exception as error:
            if not isinstance(error, CallError):
                # aiohttp's own error carries the request, and so its key; ours says what it says.
                raise self._transport_error(error, started=response is not None) from None
            error.model = self.name
            if not isinstance(error, BadResponse) or not self._parameters.learn(error, body):
                raise
        else:
            reply.cost = prices.cost(self.endpoint, self.model, reply.usage, reply.cost)
            return reply
        finally:
            # An unread body closes its connection, which is what tells the provider to stop.
            if response is not None and not response.closed:
                response.close()
        # The provider named a parameter it does not take; without it this is another request.
        return await self.respond(messages, parameters, listener)

    def _body(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], *, streamed: bool
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": messages, **parameters}
        if streamed:
            body["stream"] = True
            if self.endpoint.quirks.usage_in_stream:
                body["stream_options"] = {"include_usage": True}
        elif "stream" in body:
            # Whether an answer is streamed is decided here, not by what a client or `extra` says.
            del body["stream"]
            body.pop("stream_options", None)
        self._parameters.fit(body)
        return body

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a body of unknown size, as far as it is taken."""
        if response.content_length is not None and response.content_length > ANSWER_LIMIT:
            raise _too_large(ANSWER_LIMIT)
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > ANSWER_LIMIT:
                raise _too_large(ANSWER_LIMIT)
            parts.append(part)
        return b"".join(parts)

    async def _stream(
        self, response: aiohttp.ClientResponse, listener: Listener, *, choices: object
    ) -> Reply:
        if response.content_type == "application/json":
            reply = reply_from(await self._read(response), model=self.name, key=self._secrets)
            tell(reply, listener)
            return reply
        parser = EventParser()
        expected = choices if isinstance(choices, int) else 1
        assembly = Assembly(listener, model=self.name, key=self._secrets, choices=expected)
        read = response.content.readany
        size = 0
        while not assembly.finished:
            data = await read()
            if not data:
                break
            size += len(data)
            if size > STREAM_LIMIT:
                raise _too_large(STREAM_LIMIT)
            assembly.take(parser.feed(data))
            if listener.full:
                await listener.drain()
        if assembly.finished:
            await self._trail(response, parser, assembly)
        else:
            assembly.take(parser.close())
        return assembly.reply()

    @staticmethod
    async def _trail(response: aiohttp.ClientResponse, parser: EventParser, assembly: Assembly) -> None:
        """Read what follows the end of an answer; it is complete, so nothing here can spoil it."""
        import aiohttp

        content = response.content
        try:
            if not assembly.done:
                async with asyncio.timeout(TRAILER):
                    while not assembly.done and (data := await content.readany()):
                        assembly.take(parser.feed(data))
                assembly.take(parser.close())
            if not content.at_eof():
                # The body's end comes right behind [DONE]; having read it, the connection can be used again.
                async with asyncio.timeout(LINGER):
                    await content.readany()
        except (TimeoutError, OSError, aiohttp.ClientError, CallError):
            pass

    async def _refuse(self, response: aiohttp.ClientResponse) -> NoReturn:
        import aiohttp

        body = b""
        try:
            async for part in response.content.iter_any():
                body += part
                if len(body) > REFUSAL_LIMIT:
                    break
        except (OSError, aiohttp.ClientError):
            # The status says enough.
            pass
        raise failures.from_status(
            response.status,
            response.headers,
            body,
            model=self.name,
            key=self._secrets,
            key_variable=self.endpoint.key_variable or variable(self.endpoint.name, "_API_KEY"),
        )

    def _make_headers(self) -> Mapping[str, str]:
        endpoint = self.endpoint
        key = endpoint.key(self._environ)
        if key is None and endpoint.key_variable and not endpoint.local:
            raise AuthenticationFailed(
                f"there is no key for provider {endpoint.name!r}",
                model=self.name,
                hint=f"set {endpoint.key_variable} in the environment or in .env",
            )
        headers = {"Content-Type": "application/json", **endpoint.headers}
        if key:
            if not (key.isascii() and key.isprintable()):
                raise AuthenticationFailed(
                    f"the key for provider {endpoint.name!r} has characters that no key has",
                    model=self.name,
                    hint=f"check {endpoint.key_variable or 'its api_key'}: was it copied whole, and alone?",
                )
            headers["Authorization"] = f"Bearer {key}"
        prices.warm(endpoint)
        # In the type aiohttp works with, so that it does not convert it again for every request.
        from yarl import URL

        self._url = URL(self._url)
        self._secrets = secrets_of(endpoint, key)
        self._headers = headers
        return self._headers

    def _connection_error(self, error: Exception, *, started: bool) -> CallError:
        import aiohttp

        if started:
            return BadResponse(
                f"the connection broke in the middle of the answer: {self._plain(error)}", model=self.name
            )
        url = without_password(self.endpoint.base_url)
        if isinstance(error, TimeoutError):
            return ModelTimeout(
                f"no connection to {url} within {self.endpoint.connect:g} s", timer="connect", model=self.name
            )
        made = not isinstance(error, aiohttp.ClientConnectorError)
        hint = None
        if isinstance(error, aiohttp.ClientSSLError):
            hint = "check the address and its certificate"
        elif isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, socket.gaierror):
            hint = "is there an internet connection? check the host name in base_url"
        elif not made:
            hint = "is the server running?"
        return ConnectionFailed(
            f"cannot reach {url}: {self._plain(error)}", model=self.name, reused=made, hint=hint
        )

    def _transport_error(self, error: Exception, *, started: bool) -> CallError:
        import aiohttp

        if isinstance(error, aiohttp.ServerDisconnectedError) and not started:
            return self._connection_error(error, started=False)
        if not isinstance(error, aiohttp.ClientError | ValueError):
            raise error
        if not started and isinstance(error, ValueError):
            return BadResponse(
                f"the request cannot be sent: {self._plain(error)}", model=self.name, should_retry=False
            )
        if isinstance(error, aiohttp.ClientPayloadError):
            return BadResponse("the connection broke off in the middle of the answer", model=self.name)
        return BadResponse(f"the answer cannot be read: {self._plain(error)}", model=self.name)

    def _plain(self, error: Exception) -> str:
        # aiohttp wraps the system's words, "Connection refused", into its own terms; it quotes what it
        # cannot read, which may be anything.
        inner = getattr(error, "os_error", None)
        words = getattr(inner, "strerror", None) or str(error)
        return failures.redact(str(words), self._secrets) or type(error).__name__


def _is_bounded(response: aiohttp.ClientResponse) -> bool:
    """Say whether the body's length is known to be within the limit."""
    length = response.content_length
    return length is not None and length <= ANSWER_LIMIT and "Content-Encoding" not in response.headers


def _too_large(limit: int) -> BadResponse:
    return BadResponse(f"the answer is larger than {limit} bytes", should_retry=False)
