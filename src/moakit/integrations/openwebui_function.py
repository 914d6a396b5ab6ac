"""
title: moakit
author: the moakit authors
version: 0.1.0
license: Apache-2.0
description: Mixture of Agents: several models answer, one writes the final answer. Needs `moa serve`.
required_open_webui_version: 0.6.0
"""

# Open WebUI runs this file by itself, without moakit: the standard library and what Open WebUI brings.

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel, Field

Emitter = Callable[[dict[str, Any]], Awaitable[Any]]

MERGE = "moa_response_generation"
LISTED = 30.0
"""Seconds for which the list of models is kept."""
PATIENCE = 5.0
"""Seconds to connect, and for the list of models."""
SENT = frozenset(
    {
        "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens",
        "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs",
        "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity",
    }
)  # fmt: skip
"""What of a request goes to the server; the rest is Open WebUI's own."""
SHOWN = frozenset({"status", "source"})
"""The events that are passed on; another kind could run code in the user's browser."""


class Failed(Exception):
    """What the chat is told when there is no answer."""


class Pipe:
    """The Function: every ensemble of a moakit server is a model."""

    class Valves(BaseModel):
        """What an administrator sets."""

        BASE_URL: str = Field(
            default="http://127.0.0.1:6620/openwebui/v1",
            description="Where moakit serves; from a container 127.0.0.1 is the container itself.",
        )
        API_KEY: str = Field(
            default="",
            description="One of the server's keys.",
            json_schema_extra={"input": {"type": "password"}},
        )
        TASK_MODE: Literal["small", "ensemble", "off"] = Field(
            default="small",
            description="Titles, tags and the like: one small model, the whole ensemble, or none.",
            json_schema_extra={"input": {"type": "select", "options": ["small", "ensemble", "off"]}},
        )
        SHOW_PROPOSERS: Literal["server", "reasoning", "details", "sources", "none"] = Field(
            default="server",
            description="How the proposers' answers are shown; server: as the server is set.",
            json_schema_extra={
                "input": {"type": "select", "options": ["server", "reasoning", "details", "sources", "none"]}
            },
        )
        TIMEOUT: float = Field(default=600.0, gt=0, description="Seconds an answer may take.")

    class UserValves(BaseModel):
        """What a user sets."""

        SHOW_PROPOSERS: Literal["default", "reasoning", "details", "sources", "none"] = Field(
            default="default",
            description="How the proposers' answers are shown; default: as the administrator set it.",
            json_schema_extra={
                "input": {"type": "select", "options": ["default", "reasoning", "details", "sources", "none"]}
            },
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._listed: tuple[tuple[str, str], float, list[dict[str, str]]] | None = None

    async def pipes(self) -> list[dict[str, str]]:
        """List the server's models; an entry that says what is wrong when there is none."""
        asked = (self.valves.BASE_URL, self.valves.API_KEY)
        kept = self._listed
        if kept is not None and kept[0] == asked and time.monotonic() - kept[1] < LISTED:
            return kept[2]
        try:
            models = await self._models()
        except Failed as error:
            self._listed = None
            return [{"id": "error", "name": f"moakit: {error}"}]
        self._listed = (asked, time.monotonic(), models)
        return models

    async def pipe(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __metadata__: dict[str, Any] | None = None,
        __event_emitter__: Emitter | None = None,
        __task__: str | None = None,
    ) -> Any:
        """Answer a chat, or one of Open WebUI's background tasks."""
        metadata, task = __metadata__ or {}, str(__task__ or "")
        mode = self.valves.TASK_MODE
        if task and task != MERGE and mode == "off":
            return ""
        headers = self._headers()
        if task and (mode == "small" or task == MERGE):
            headers["X-MoA-Task"] = task
        chat = str(metadata.get("chat_id") or "")
        if chat.isascii() and chat.isprintable() and chat:
            headers["X-OpenWebUI-Chat-Id"] = chat
        show = self._show(__user__ or {})
        if show != "server":
            headers["X-MoA-Show-Proposers"] = show
        request = _request(body, metadata)
        if request["stream"]:
            return self._streamed(request, headers, None if task else __event_emitter__)
        return await self._whole(request, headers)

    def _show(self, user: Mapping[str, Any]) -> str:
        own = getattr(user.get("valves"), "SHOW_PROPOSERS", "default")
        return self.valves.SHOW_PROPOSERS if own == "default" else str(own)

    def _headers(self) -> dict[str, str]:
        headers = {"X-MoA-Client": "openwebui"}
        if self.valves.API_KEY:
            headers["Authorization"] = f"Bearer {self.valves.API_KEY}"
        return headers

    def _url(self, path: str) -> str:
        return f"{self.valves.BASE_URL.rstrip('/')}/{path}"

    def _session(self, seconds: float) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=PATIENCE)
        return aiohttp.ClientSession(timeout=timeout)

    async def _models(self) -> list[dict[str, str]]:
        try:
            async with (
                self._session(PATIENCE) as session,
                session.get(self._url("models"), headers=self._headers()) as response,
            ):
                await _check(response)
                listed = await response.json(content_type=None)
            return [
                {"id": str(model["id"]), "name": str(model.get("name") or model["id"])}
                for model in listed["data"]
            ]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            raise self._unreachable(error) from error

    async def _whole(self, request: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        try:
            async with (
                self._session(self.valves.TIMEOUT) as session,
                session.post(self._url("chat/completions"), json=request, headers=headers) as response,
            ):
                await _check(response)
                answer: dict[str, Any] = await response.json(content_type=None)
                return answer
        except Failed as error:
            return {"error": {"detail": str(error)}}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return {"error": {"detail": str(self._unreachable(error))}}

    async def _streamed(
        self, request: dict[str, Any], headers: dict[str, str], emit: Emitter | None
    ) -> AsyncGenerator[Any, None]:
        """Yield the chunks of an answer, giving the events among them to the emitter."""
        try:
            async with (
                self._session(self.valves.TIMEOUT) as session,
                session.post(self._url("chat/completions"), json=request, headers=headers) as response,
            ):
                try:
                    await _check(response)
                    async for line in _lines(response.content.iter_any()):
                        if not line.startswith(b"data: {"):
                            continue
                        if b'"event"' not in line:
                            yield line.decode()
                            continue
                        chunk = json.loads(line.removeprefix(b"data: "))
                        event = chunk.pop("event", None)
                        if emit is not None and isinstance(event, dict) and event.get("type") in SHOWN:
                            await emit(event)
                        if chunk.get("choices") or chunk.get("usage") or chunk.get("error"):
                            yield chunk
                finally:
                    # Stop ends here as well: a connection that is closed ends every call to a model.
                    response.close()
        except Failed as error:
            failure = str(error)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = str(self._unreachable(error))
        else:
            return
        if emit is not None:
            await emit({"type": "status", "data": {"description": "failed", "done": True}})
        yield {"error": {"message": failure}, "choices": []}

    def _unreachable(self, error: Exception) -> Failed:
        where = self.valves.BASE_URL
        if isinstance(error, aiohttp.ClientConnectorError):
            return Failed(
                f"no moakit server answers at {where}; start one with `moa serve`, or set BASE_URL in this "
                "function's valves (from a container 127.0.0.1 is the container itself)"
            )
        if isinstance(error, asyncio.TimeoutError):
            return Failed(f"the moakit server at {where} took too long")
        return Failed(f"the moakit server at {where} broke off: {error or type(error).__name__}")


def _request(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is sent: the model's own name, and no tools that Open WebUI gives to every chat."""
    request = {name: value for name, value in body.items() if name in SENT and value is not None}
    model = str(body.get("model", ""))
    request["model"] = model.partition(".")[2] or model
    request["stream"] = bool(body.get("stream"))
    known = metadata.get("tools")
    built_in = {
        name
        for name, tool in (known.items() if isinstance(known, Mapping) else ())
        if isinstance(tool, Mapping) and tool.get("type") == "builtin"
    }
    tools = [
        tool
        for tool in request.pop("tools", None) or ()
        if (tool.get("function") or {}).get("name") not in built_in
    ]
    if tools:
        request["tools"] = tools
    else:
        request.pop("tool_choice", None)
        request.pop("parallel_tool_calls", None)
    return request


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise `Failed` with the server's own words for an error status."""
    if response.status < 400:
        return
    text = await response.text()
    try:
        message = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:200].strip() or str(response.reason)
    if response.status == 401:
        message += " (set API_KEY in this function's valves)"
    raise Failed(message)


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield whole lines, however long they are and however they arrive."""
    rest: list[bytes] = []
    async for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            yield b"".join((*rest, line)).rstrip(b"\r")
            rest = []
        rest.append(last)
    if any(rest):
        yield b"".join(rest).rstrip(b"\r")
