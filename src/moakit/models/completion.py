"""Reading a chat completion, whole or in chunks, into a `Reply`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from moakit.errors import BadResponse, ContentFiltered
from moakit.models import failures, reasoning
from moakit.models.base import Listener, Reply
from moakit.types import NO_USAGE, Usage

_KNOWN_TOP = frozenset({"id", "object", "created", "model", "choices", "usage", "error"})
_KNOWN_MESSAGE = frozenset({"role", "content", "tool_calls", "reasoning_content", "reasoning", "index"})


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: msgspec.Raw | None = None
    reasoning: msgspec.Raw | None = None
    tool_calls: msgspec.Raw | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    index: int = 0
    finish_reason: str | None = None
    logprobs: msgspec.Raw | None = None


class _Chunk(msgspec.Struct):
    choices: tuple[_Choice]
    usage: msgspec.Raw | None = None
    error: msgspec.Raw | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_NULL = msgspec.Raw(b"null")


def reply_from(body: bytes, *, model: str, key: str | None) -> Reply:
    """Return the reply in a whole JSON answer; raises `BadResponse` when there is none."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadResponse(
            f"the answer is not JSON: {failures.redact(body[:200].decode('utf-8', 'replace'), key)}"
        ) from error
    if not isinstance(data, dict):
        raise BadResponse("the answer is not a JSON object")
    if data.get("error"):
        raise failures.from_error(data["error"], model=model, key=key)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadResponse("the answer has no choices")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        raise BadResponse("the answer has no message")
    thought = _text(message.get("reasoning_content") or message.get("reasoning"))
    text = _text(message.get("content"))
    if "<think>" in text[:40]:
        inner, text = reasoning.split(text)
        thought = thought or inner
    usage = data.get("usage")
    extra = {name: value for name, value in data.items() if name not in _KNOWN_TOP}
    extra.update(
        (name, value) for name, value in message.items() if name not in _KNOWN_MESSAGE and value is not None
    )
    if choice.get("logprobs") is not None:
        extra["logprobs"] = choice["logprobs"]
    if len(choices) > 1:
        extra["choices"] = choices
    return _checked(
        Reply(
            text=text,
            reasoning=thought,
            tool_calls=tuple(message.get("tool_calls") or ()),
            finish_reason=choice.get("finish_reason") or "stop",
            usage=usage_from(usage),
            cost=_reported_cost(usage),
            extra=extra,
        )
    )


class Assembly:
    """Puts the chunks of a stream together, telling the listener each piece.

    `finished` says that every choice gave its finish reason; `done` that `[DONE]` came.
    """

    __slots__ = (
        "_choices", "_expected", "_extra", "_finish", "_key", "_listener", "_model", "_pieces", "_splitter",
        "_thoughts", "_tools", "_usage", "done", "finished",
    )  # fmt: skip

    def __init__(self, listener: Listener, *, model: str, key: str | None, choices: int = 1) -> None:
        self._listener = listener
        self._model = model
        self._key = key
        self._pieces: list[str] = []
        self._thoughts: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._usage: Mapping[str, Any] | None = None
        self._finish: dict[int, str] = {}
        self._extra: dict[str, Any] = {}
        self._choices: dict[int, list[str]] = {}
        self._expected = choices
        self._splitter = reasoning.Splitter()
        self.done = False
        self.finished = False

    def take(self, events: Iterable[bytes]) -> None:
        """Take the data of some events; what they say goes to the listener as one piece where it can."""
        pieces: list[str] = []
        for event in events:
            # The common chunk, one piece of text, is read without building dictionaries.
            try:
                chunk = _decode(event)
                choice = chunk.choices[0]
                delta = choice.delta
                if (
                    delta.content
                    and choice.finish_reason is None
                    and choice.index == 0
                    and (choice.logprobs is None or choice.logprobs == _NULL)
                    and (delta.tool_calls is None or delta.tool_calls == _NULL)
                    and (delta.reasoning_content is None or delta.reasoning_content == _NULL)
                    and (delta.reasoning is None or delta.reasoning == _NULL)
                    and (chunk.usage is None or chunk.usage == _NULL)
                    and chunk.error is None
                ):
                    pieces.append(delta.content)
                    continue
            except msgspec.DecodeError:
                pass
            if pieces:
                self._say("".join(pieces))
                pieces = []
            if event == b"[DONE]":
                self.done = self.finished = True
            else:
                self._take_other(event)
        if pieces:
            self._say("".join(pieces))

    def reply(self) -> Reply:
        """Return the whole; raises `BadResponse` when the stream ended before the answer did."""
        thought, text = self._splitter.close()
        self._emit(thought, text)
        if 0 not in self._finish:
            raise BadResponse("the stream ended before the answer was complete")
        extra = self._extra
        if self._choices:
            extra["choices"] = [
                {
                    "index": index,
                    "message": {
                        "role": "assistant",
                        "content": "".join(self._choices.get(index, self._pieces)),
                    },
                    "finish_reason": finish,
                }
                for index, finish in sorted(self._finish.items())
            ]
        return _checked(
            Reply(
                text="".join(self._pieces),
                reasoning="".join(self._thoughts).strip(),
                tool_calls=tuple(call for _, call in sorted(self._tools.items())),
                finish_reason=self._finish[0],
                usage=usage_from(self._usage),
                cost=_reported_cost(self._usage),
                extra=extra,
            )
        )

    def _take_other(self, event: bytes) -> None:
        try:
            chunk = msgspec.json.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadResponse(
                f"a chunk of the stream is not JSON: {failures.redact(event[:80].decode('utf-8', 'replace'), self._key)}"
            ) from error
        if not isinstance(chunk, dict):
            raise BadResponse("a chunk of the stream is not an object")
        if chunk.get("error"):
            raise failures.from_error(chunk["error"], model=self._model, key=self._key)
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        for name, value in chunk.items():
            if name not in _KNOWN_TOP and value is not None:
                self._extra[name] = value
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict):
                self._take_choice(choice)

    def _take_choice(self, choice: Mapping[str, Any]) -> None:
        index = choice.get("index") or 0
        delta = choice.get("delta") or {}
        logprobs = choice.get("logprobs")
        text = _text(delta.get("content"))
        if index:
            self._choices.setdefault(index, []).append(text)
            if text:
                self._listener(text, "content", index, {"logprobs": logprobs} if logprobs else None)
        else:
            thought = _text(delta.get("reasoning_content") or delta.get("reasoning"))
            if thought:
                self._thoughts.append(thought)
                self._listener(thought, "reasoning")
            if logprobs:
                self._keep_logprobs(logprobs)
            if text:
                self._say(text, {"logprobs": logprobs} if logprobs else None)
            if delta.get("tool_calls"):
                self._keep_tools(delta["tool_calls"])
                self._listener("", "tool", 0, {"tool_calls": delta["tool_calls"]})
            for name, value in delta.items():
                if name not in _KNOWN_MESSAGE and value is not None:
                    self._extra[name] = value
        if choice.get("finish_reason"):
            self._finish[index] = choice["finish_reason"]
            self.finished = len(self._finish) >= self._expected

    def _say(self, text: str, data: Mapping[str, Any] | None = None) -> None:
        if self._splitter.state == "text":
            self._pieces.append(text)
            self._listener(text, "content", 0, data)
            return
        self._emit(*self._splitter.feed(text))

    def _emit(self, thought: str, text: str) -> None:
        if thought:
            self._thoughts.append(thought)
            self._listener(thought, "reasoning")
        if text:
            self._pieces.append(text)
            self._listener(text)

    def _keep_logprobs(self, logprobs: Any) -> None:
        kept = self._extra.setdefault("logprobs", {"content": []})
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
            kept["content"].extend(logprobs["content"])

    def _keep_tools(self, fragments: Iterable[Mapping[str, Any]]) -> None:
        for fragment in fragments:
            call = self._tools.setdefault(
                fragment.get("index") or 0,
                {"id": "", "type": "function", "function": {"name": "", "arguments": ""}},
            )
            function = fragment.get("function") or {}
            call["id"] = fragment.get("id") or call["id"]
            call["function"]["name"] += function.get("name") or ""
            call["function"]["arguments"] += function.get("arguments") or ""


def usage_from(usage: object) -> Usage:
    """Return the tokens a provider reported; zeros where it did not."""
    if not isinstance(usage, dict):
        return NO_USAGE
    prompt = _count(usage, "prompt_tokens")
    completion = _count(usage, "completion_tokens")
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") or _count(
        usage, "prompt_cache_hit_tokens"
    )
    thinking = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    return Usage(prompt, completion, _count(usage, "total_tokens") or prompt + completion, cached, thinking)


def _count(mapping: object, name: str) -> int:
    value = mapping.get(name) if isinstance(mapping, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def _reported_cost(usage: object) -> float | None:
    # OpenRouter, and proxies that know their prices, report dollars in usage.cost.
    value = usage.get("cost") if isinstance(usage, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _checked(reply: Reply) -> Reply:
    if reply.finish_reason == "content_filter" and not reply.text:
        raise ContentFiltered("the provider's content filter withheld the answer")
    return reply
