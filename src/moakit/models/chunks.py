"""Putting the chunks of a streamed completion together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from moakit.errors import BadResponse, CallError
from moakit.models import failures, fields, reasoning
from moakit.models.base import Listener, Reply
from moakit.models.secrets import Key


class _Delta(msgspec.Struct):
    content: str
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None


class _Chunk(msgspec.Struct):
    """The common chunk: one piece of text. Whatever says more does not decode as one."""

    choices: tuple[_Choice]
    usage: None = None
    error: None = None


_decode = msgspec.json.Decoder(_Chunk).decode


class Assembly:
    """Puts the chunks of a stream together, telling the listener each piece.

    `finished` says that every choice gave its finish reason; `done` that `[DONE]` came, after which nothing
    is taken any more.
    """

    __slots__ = (
        "_choices", "_expected", "_extra", "_finish", "_key", "_listener", "_logprobs", "_model", "_pieces",
        "_splitter", "_thoughts", "_tools", "_usage", "done", "finished",
    )  # fmt: skip

    def __init__(self, listener: Listener, *, model: str, key: Key, choices: int = 1) -> None:
        self._listener = listener
        self._model = model
        self._key = key
        self._pieces: list[str] = []
        self._thoughts: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._logprobs: list[Any] = []
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
        if self.done:
            return
        for event in events:
            # The common chunk, one piece of text, is read without building dictionaries.
            try:
                choice = _decode(event).choices[0]
                if choice.delta.content and choice.index == 0:
                    pieces.append(choice.delta.content)
                    continue
            except fields.UNREADABLE:
                pass
            if pieces:
                self._say("".join(pieces))
                pieces = []
            rare = event.strip()
            if rare == b"[DONE]":
                self.done = self.finished = True
                return
            if rare:
                try:
                    self._take_other(rare)
                except CallError:
                    # What comes behind a complete answer cannot spoil it.
                    if not self.finished:
                        raise
        if pieces:
            self._say("".join(pieces))

    def reply(self) -> Reply:
        """Return the whole; raises `BadResponse` when the stream ended before the answer did."""
        self._close()
        if 0 not in self._finish or self._choices.keys() - self._finish.keys():
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
        return fields.checked(
            Reply(
                text="".join(self._pieces),
                reasoning="".join(self._thoughts).strip(),
                tool_calls=tuple(call for _, call in sorted(self._tools.items())),
                finish_reason=self._finish[0],
                usage=fields.usage_from(self._usage),
                cost=fields.cost_from(self._usage),
                extra=extra,
            )
        )

    def _take_other(self, event: bytes) -> None:
        try:
            chunk = fields.decoded(event)
        except fields.UNREADABLE as error:
            shown = failures.excerpt(event, self._key)
            raise BadResponse(f"a chunk of the stream is not JSON: {shown}") from error
        chunk = fields.as_object(chunk, "a chunk of the stream")
        if chunk.get("error"):
            raise failures.from_error(chunk["error"], model=self._model, key=self._key)
        self._extra.update(fields.others(chunk, fields.TOP))
        usage = chunk.get("usage")
        if not usage and isinstance(groq := chunk.get("x_groq"), dict):
            usage = groq.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        for choice in fields.as_objects(chunk.get("choices"), "choices of a chunk"):
            self._take_choice(choice)

    def _take_choice(self, choice: Mapping[str, Any]) -> None:
        if choice.get("error"):
            raise failures.from_error(choice["error"], model=self._model, key=self._key)
        index = fields.index_of(choice)
        delta = fields.as_object(choice.get("delta") or {}, "the delta of a chunk")
        logprobs = choice.get("logprobs")
        text = fields.text_of(delta.get("content"))
        if index:
            self._choices.setdefault(index, []).append(text)
            if text:
                self._listener(text, "content", index, {"logprobs": logprobs} if logprobs else None)
        else:
            thought = fields.thought_of(delta)
            if thought:
                self._thoughts.append(thought)
                self._listener(thought, "reasoning")
            if tokens := _tokens(logprobs):
                self._extra.setdefault("logprobs", {"content": []})["content"] += tokens
            if text:
                self._say(text, {"logprobs": logprobs} if logprobs else None)
            if delta.get("tool_calls"):
                self._keep_tools(fields.as_objects(delta["tool_calls"], "tool calls"))
                self._listener("", "tool", 0, {"tool_calls": delta["tool_calls"]})
            self._extra.update(fields.others(choice, fields.CHOICE))
            for name, value in fields.others(delta, fields.MESSAGE).items():
                self._extra[name] = _continued(self._extra.get(name), value)
        finish = fields.finish_of(choice)
        if finish:
            self._finish[index] = finish
            self.finished = len(self._finish) >= self._expected

    def _say(self, text: str, data: Mapping[str, Any] | None = None) -> None:
        if self._splitter.state == "text":
            self._pieces.append(text)
            self._listener(text, "content", 0, data)
            return
        thought, text = self._splitter.feed(text)
        if data is not None:
            # What is held back until it is clear whether it is reasoning keeps its logprobs.
            self._logprobs += _tokens(data["logprobs"])
        self._emit(thought, text)

    def _close(self) -> None:
        thought, text = self._splitter.close()
        if text.isspace():
            # White space alone is no answer: once it was shown, no other model could give one.
            self._pieces.append(text)
            text = ""
        self._emit(thought, text)

    def _emit(self, thought: str, text: str) -> None:
        if thought:
            self._thoughts.append(thought)
            self._logprobs.clear()
            self._listener(thought, "reasoning")
        if text:
            self._pieces.append(text)
            data = {"logprobs": {"content": self._logprobs}} if self._logprobs else None
            self._logprobs = []
            self._listener(text, "content", 0, data)

    def _keep_tools(self, fragments: Iterable[Mapping[str, Any]]) -> None:
        for fragment in fragments:
            index = fields.index_of(fragment)
            call = self._tools.get(index)
            if call is None:
                call = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                self._tools[index] = call
            function = fields.as_object(fragment.get("function") or {}, "the function of a tool call")
            call["id"] = fragment.get("id") or call["id"]
            call["type"] = fragment.get("type") or call["type"]
            for name in ("name", "arguments"):
                call["function"][name] = _continued(call["function"][name], function.get(name) or "")
            call.update(fields.others(fragment, fields.TOOL_CALL))


def _tokens(logprobs: object) -> list[Any]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return content if isinstance(content, list) else []


def _continued(before: Any, value: Any) -> Any:
    """Return what a field says after another fragment: texts and lists grow, anything else is replaced."""
    grows = isinstance(value, str | list) and type(before) is type(value)
    return before + value if grows else value
