"""
title: MoA Groq
author: the moakit authors
version: 0.1.0
license: Apache-2.0
description: Mixture of Agents on Groq, run here from the .env of the article, or by a moa serve elsewhere
requirements: moakit
"""

# A plugin for open-webui/pipelines. It is loaded by its path and stays out of sys.modules, so annotations are
# evaluated at once (no `from __future__ import annotations`), and it is ASCII, because it is read in whatever
# encoding the machine has. Keys that are valves can be read by everybody who reaches the port of Pipelines,
# which asks for no key there; those in its environment or `.env` cannot.

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import requests
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

PREFIX = "GROQ"
ENSEMBLE = "moa-groq"
FORWARDED = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "top_logprobs",
    "top_p",
    "verbosity",
)
TOOLS = ("tools", "tool_choice", "parallel_tool_calls")
Piece = dict[str, Any]
_log = logging.getLogger("moakit.pipelines")


def _text(description: str, default: str = "", *, secret: bool = False) -> Any:
    extra: Any = {"input": {"type": "password"}} if secret else None
    return Field(default, description=description, repr=not secret, json_schema_extra=extra)


class _Valves(BaseModel):
    """Everything is text: the form sends text, and moakit's own configuration says what is wrong with it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    MODE: Literal["stand-alone", "proxy"] = _text("Run the ensemble here, or on a moa serve", "stand-alone")
    BASE_URL: str = _text("Proxy: the server", "http://host.docker.internal:6620/openwebui/v1")
    API_KEY: str = _text("Proxy: a key of the server", secret=True)
    MODEL: str = _text("Proxy: the server's ensemble", ENSEMBLE)
    TOOLS: Literal["ignore", "forward"] = _text("Open WebUI's tools: 36 come with every chat", "ignore")
    SHOW_PROPOSERS: Literal["reasoning", "details", "sources", "none"] = _text(
        "Stand-alone: how the proposers' answers are shown", "reasoning"
    )
    DEADLINE: str = _text("Stand-alone: seconds for a whole answer; 300 when empty")
    TASK_MODEL: str = _text("Stand-alone: provider/model for titles and tags; the cheapest when empty")

    @model_validator(mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        """Take what the form sends: null and empty text mean the default."""
        if not isinstance(values, Mapping):
            return values
        return {name: str(value).strip() for name, value in values.items() if value not in (None, "")}


def _article() -> dict[str, Any]:
    """Return a valve for each of the article's variables, under the variable's own name."""
    names = {
        "API_KEY": "The key of all models without one of their own",
        "MODEL_AGGREGATE": "The model that writes the answer",
        "MODEL_AGGREGATE_API_BASE": "Its base URL",
        "MODEL_AGGREGATE_API_KEY": "Its key",
        "LAYERS": "Layers of proposers",
        "DEFAULT_ROUNDS": "Times the layers are gone through",
        "AGENTS_PER_LAYER": "Proposers in each layer",
        "DEFAULT_MAX_TOKENS": "The longest response, in tokens",
        "DEFAULT_TEMPERATURE": "Sampling temperature",
        "MULTITURN": "True or False: send the whole chat, or the last message",
    }
    for number in range(1, 7):
        names |= {
            f"MODEL_REFERENCE_{number}": f"Proposer {number}",
            f"MODEL_REFERENCE_{number}_API_BASE": "Its base URL",
            f"MODEL_REFERENCE_{number}_API_KEY": "Its key",
            f"API_BASE_{number}": f"Base URL {number}: proposer {number}'s, and with 1 everybody else's",
            f"API_KEY_{number}": f"Key {number}",
        }
    rest = "; wins over .env, none takes it out"
    return {
        f"{PREFIX}_{name}": (str, _text(f"Stand-alone: {what}{rest}", secret="_KEY" in name))
        for name, what in names.items()
    }


class Pipeline:
    """MoA Groq."""

    Valves: ClassVar[type[_Valves]] = create_model("Valves", __base__=_Valves, **_article())

    def __init__(self) -> None:
        self.type = "manifold"
        self.name = "MoA "
        self.pipelines = [{"id": ENSEMBLE, "name": "Groq"}]
        self.valves = self.Valves()
        # Settings and the server made of them: never changed, only replaced, and without a request's state.
        self._made: tuple[Any, Any] | None = None

    async def on_startup(self) -> None:
        """Do nothing: what is missing is said in the chat."""

    async def on_shutdown(self) -> None:
        """Do nothing: connections close with the process."""

    async def on_valves_updated(self) -> None:
        """Do nothing: every request reads the valves."""

    def pipe(
        self, user_message: str, model_id: str, messages: list[Piece], body: Piece
    ) -> str | Iterator[Piece]:
        """Answer a chat, or one of Open WebUI's background tasks."""
        valves = self.valves
        proxy, stream = valves.MODE == "proxy", bool(body.get("stream"))
        where = f"{valves.BASE_URL}: " if proxy else ""
        wanted = (*FORWARDED, *TOOLS) if valves.TOOLS == "forward" else FORWARDED
        request = {
            "model": valves.MODEL if proxy else ENSEMBLE,
            "messages": messages,
            "stream": stream,
            **{name: body[name] for name in wanted if body.get(name) is not None},
        }

        def ask() -> Any:
            sent = json.dumps(request).encode()
            return _proxied(valves, sent, stream=stream) if proxy else self._alone(valves, sent)

        if stream:
            return _told(lambda: _read(ask(), where), model_id)
        try:
            return _read_whole(ask(), where)
        except Exception as error:  # noqa: BLE001 - whatever it is, the chat says it
            text = _message(error)
        if len(messages) == 1 and str(messages[0].get("content")).startswith("### Task:"):
            _log.warning("a background task failed: %s", text)
            return ""  # it would become the chat's title
        return f"**Error:** {text}"

    def _alone(self, valves: _Valves, body: bytes) -> "_Here":
        """Return the answer of a server within this process, which the valves over the environment make."""
        try:
            from moakit.config import Config
            from moakit.config.article import to_config
            from moakit.config.files import environment
            from moakit.errors import MoaError
            from moakit.run import background
            from moakit.server.chat import Chat
            from moakit.server.health import Load
        except ModuleNotFoundError as error:
            raise _Failed(
                f"{error.name} is not installed: pip install moakit, or set MODE to proxy"
            ) from None
        environ = environment([Path.cwd()])
        for name, value in valves.model_dump().items():
            if value and name.startswith(f"{PREFIX}_"):
                environ[name] = "" if value.lower() == "none" else value
        own = {name: value for name, value in environ.items() if name.startswith(f"{PREFIX}_")}
        server: Piece = {"show_proposers": valves.SHOW_PROPOSERS, "max_body": 2**30}
        if valves.TASK_MODEL:
            server["task_model"] = valves.TASK_MODEL
        settings = (environ, valves.DEADLINE, server)
        made = self._made
        if made is None or made[0] != settings:
            if not own.get(f"{PREFIX}_MODEL_AGGREGATE"):
                raise _Failed(f"{PREFIX}_MODEL_AGGREGATE is not set, neither in .env nor in the valves")
            try:
                data = to_config(own)
                if valves.DEADLINE:
                    data["ensembles"][ENSEMBLE]["deadline"] = _seconds(valves.DEADLINE)
                config = Config({**data, "server": server}, source="valves and .env", environ=environ)
            except MoaError as error:
                raise _Failed(str(error)) from None
            made = self._made = (settings, Chat(config, Load(), overrides=False, openwebui=True))
        return _Here(made[1], body, background)


class _Here:
    """One request to a server within this process, read as a response of `requests` is."""

    def __init__(self, chat: Any, body: bytes, background: Any) -> None:
        self._call = background.call
        # Bounded: who reads slowly holds the models back.
        self._sent: asyncio.Queue[Piece | None] = asyncio.Queue(64)
        self._task: asyncio.Task[None] = self._call(self._begin(chat, body))
        head = self._call(self._sent.get())
        if head is None:
            raise _Failed("the run ended without an answer")
        self.status_code = head["status"]

    async def _begin(self, chat: Any, body: bytes) -> "asyncio.Task[None]":
        return asyncio.create_task(self._serve(chat, body))

    async def _serve(self, chat: Any, body: bytes) -> None:
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Piece:
            return given.pop() if given else await asyncio.get_running_loop().create_future()

        try:
            await chat({"type": "http", "headers": []}, receive, self._sent.put)
        finally:
            await self._sent.put(None)

    def iter_lines(self, chunk_size: None = None) -> Iterator[bytes]:
        """Yield lines as they come; whole ones are sent."""
        while (sent := self._call(self._sent.get())) is not None:
            yield from sent["body"].splitlines()

    @property
    def content(self) -> bytes:
        """The whole body."""
        return b"".join(self.iter_lines())

    def close(self) -> None:
        """Cancel what still runs."""
        self._call(self._stop())

    async def _stop(self) -> None:
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.1)


# Proxy --------------------------------------------------------------------------------------------------


def _proxied(valves: _Valves, body: bytes, *, stream: bool) -> requests.Response:
    """Return the answer of the server at BASE_URL."""
    key = valves.API_KEY
    if not (key.isascii() and key.isprintable()):
        raise _Failed("API_KEY has characters that no key has")
    headers = {"Content-Type": "application/json", "X-MoA-Client": "openwebui"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    url = f"{valves.BASE_URL.rstrip('/')}/chat/completions"
    # A stream is never silent for more than 10 s.
    timeout = (5, 60 if stream else 600)
    try:
        return requests.post(url, body, headers=headers, stream=stream, timeout=timeout)
    except (requests.RequestException, ValueError) as error:
        raise _Failed(
            f"no answer from {valves.BASE_URL} ({type(error).__name__}): is moa serve up?"
        ) from None


# Both ---------------------------------------------------------------------------------------------------


class _Failed(Exception):
    """What the chat says in place of an answer."""


def _read_whole(response: Any, where: str) -> str:
    with contextlib.closing(response):
        _check(response, where)
        try:
            return json.loads(response.content)["choices"][0]["message"]["content"] or ""
        except (requests.RequestException, ValueError, LookupError, TypeError):
            raise _Failed(f"{where}the answer cannot be read") from None


def _read(response: Any, where: str) -> Iterator[Piece]:
    with contextlib.closing(response):
        _check(response, where)
        try:
            for line in response.iter_lines(chunk_size=None):
                data = line[5:].strip() if line.startswith(b"data:") else b""
                if data == b"[DONE]":
                    return
                piece = json.loads(data) if data else {}
                # An event can run JavaScript in the user's browser; these two cannot.
                if piece and piece.get("event", {}).get("type", "status") in ("status", "source"):
                    yield piece
                if "error" in piece:
                    return
        except (requests.RequestException, ValueError, AttributeError, TypeError):
            pass
    raise _Failed(f"{where}the answer broke off")


def _check(response: Any, where: str) -> None:
    if response.status_code == 200:
        return
    try:
        text = json.loads(response.content)["error"]["message"]
    except (requests.RequestException, ValueError, LookupError, TypeError):
        text = "no reason was given"
    raise _Failed(f"{where}{text} ({response.status_code})" if where else text)


def _told(answer: Callable[[], Iterator[Piece]], model: str) -> Generator[Piece, None, None]:
    """Yield chunks, an error as one too: only a generator gets its end from Pipelines."""
    try:
        yield from answer()
    except Exception as error:  # noqa: BLE001 - whatever it is, the chat says it
        head = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": []}
        status = {"type": "status", "data": {"description": "failed", "done": True}}
        yield {**head, "event": status}
        yield {**head, "error": {"message": _message(error)}}


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _Failed(f"DEADLINE = {text!r} is not a number") from None


def _message(error: Exception) -> str:
    if isinstance(error, _Failed):
        return str(error)
    _log.error("an unexpected error", exc_info=error)
    return f"an internal error ({type(error).__name__}); the log of Pipelines has the details"
