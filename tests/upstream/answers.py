"""The chat completions that a behaviour asks for, as JSON objects."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .behaviour import Behaviour, plain
from .calls import Call, text_of

ARGUMENTS = ('{"x"', ": ", "1}")
"""The pieces of a call's arguments, unless `x` says otherwise."""
TOKEN = re.compile(r"\s*\S+|\s+\Z")


@dataclass(frozen=True)
class Choice:
    """One of the answer's choices."""

    index: int
    content: str | None
    reasoning: str = ""
    tools: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ARGUMENTS
    finish: str | None = "stop"

    def deltas(self, reasoning_field: str) -> Iterator[dict[str, Any]]:
        """The choice in pieces, as a stream sends them."""
        for piece in tokens(self.reasoning):
            yield {reasoning_field: piece}
        for place, tool in enumerate(self.tools):
            call = {"index": place, "id": self.call_id(place), "type": "function"}
            yield {"tool_calls": [call | {"function": {"name": tool, "arguments": ""}}]}
            for piece in self.arguments:
                yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}
        for piece in tokens(self.content or ""):
            yield {"content": piece}

    def call_id(self, place: int) -> str:
        """The id of one of its calls."""
        return f"call_{self.index}" if place == 0 else f"call_{self.index}_{place}"


@dataclass(frozen=True)
class Completion:
    """One answer, ready to be written whole or in chunks."""

    call: Call
    behaviour: Behaviour
    choices: tuple[Choice, ...]
    serial: int
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def reasoning_field(self) -> str:
        return self.behaviour.word("reasoning_as") or "reasoning_content"

    def whole(self) -> dict[str, Any]:
        """The `chat.completion` object."""
        choices = []
        for choice in self.choices:
            message: dict[str, Any] = {"role": "assistant", "content": choice.content}
            if choice.reasoning:
                message[self.reasoning_field] = choice.reasoning
            if choice.tools:
                arguments = "".join(choice.arguments)
                message["tool_calls"] = [
                    {
                        "id": choice.call_id(place),
                        "type": "function",
                        "function": {"name": tool, "arguments": arguments},
                    }
                    for place, tool in enumerate(choice.tools)
                ]
            entry = {"index": choice.index, "message": self._marked(message), "finish_reason": choice.finish}
            choices.append(self._marked(entry | self._logprobs(choice.content or "")))
        usage = {} if self.behaviour.has("nousage") else {"usage": self.usage()}
        return self._head("chat.completion") | {"choices": choices} | usage

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """One `chat.completion.chunk` object."""
        choice = {"index": index, "delta": self._marked(delta), "finish_reason": finish}
        choice |= self._logprobs(delta.get("content") or "")
        usage = {"usage": None} if self.usage_wanted else {}
        return self._head("chat.completion.chunk") | {"choices": [self._marked(choice)]} | usage

    def usage_chunk(self) -> dict[str, Any]:
        """The chunk without choices that carries the usage."""
        return self._head("chat.completion.chunk") | {"choices": [], "usage": self.usage()}

    @property
    def usage_wanted(self) -> bool:
        options = self.call.body.get("stream_options")
        asked = isinstance(options, dict) and options.get("include_usage") is True
        return asked and not self.behaviour.has("nousage")

    def usage(self) -> dict[str, Any]:
        """Counts of words, as whitespace separates them."""
        prompt = len(self.call.prompt.split())
        reasoning = sum(len(choice.reasoning.split()) for choice in self.choices)
        words = reasoning + sum(len((choice.content or "").split()) for choice in self.choices)
        words += sum(len(choice.arguments) * len(choice.tools) for choice in self.choices)
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt + words,
        }
        if self.behaviour.has("cached"):
            usage["prompt_tokens_details"] = {"cached_tokens": self.behaviour.count("cached")}
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        return self._marked(usage)

    def _head(self, kind: str) -> dict[str, Any]:
        head = {
            "id": f"chatcmpl-{self.serial}",
            "object": kind,
            "created": self.created,
            "model": self.call.model,
        }
        if self.behaviour.has("fingerprint"):
            head["system_fingerprint"] = "fp_upstream"
        return self._marked(head)

    def _marked(self, value: dict[str, Any]) -> dict[str, Any]:
        return value | {"x_unknown": {"deep": [1, None, "?"]}} if self.behaviour.has("extra") else value

    def _logprobs(self, text: str) -> dict[str, Any]:
        if not self.behaviour.has("logprobs"):
            return {}
        content = [
            {"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": []}
            for token in tokens(text)
        ]
        return {"logprobs": {"content": content}}


def completion(behaviour: Behaviour, call: Call, serial: int) -> Completion:
    """The answer to a call."""
    wanted = call.body.get("n")
    n = wanted if isinstance(wanted, int) and wanted > 0 else 1
    return Completion(call, behaviour, tuple(_choice(behaviour, call, index) for index in range(n)), serial)


def tokens(text: str) -> list[str]:
    """The text in words, each with the whitespace before it."""
    return TOKEN.findall(text)


def _choice(behaviour: Behaviour, call: Call, index: int) -> Choice:
    last = call.messages[-1] if call.messages else {}
    tools = behaviour.all("tool") if last.get("role") != "tool" else ()
    text: str | None
    if behaviour.has("null") or (tools and not behaviour.has("say")):
        text = None
    elif behaviour.has("empty") or behaviour.has("filter"):
        text = ""
    elif behaviour.has("blank"):
        text = " \n\t "
    else:
        text = _text(behaviour, call, index)
        given = text_of(last) if last.get("role") == "assistant" else ""
        text = text.removeprefix(given)
        if behaviour.has("resumes") and not given:
            text = text[_said_already(text, call) :]
    if behaviour.has("think"):
        text = f"<think>{behaviour.text('think')}</think>{text or ''}"
    finish: str | None = "stop"
    if behaviour.has("nofinish"):
        finish = None
    elif behaviour.has("filter"):
        finish = "content_filter"
    elif behaviour.has("length"):
        finish = "length"
    elif tools:
        finish = "tool_calls"
    x = behaviour.count("x")
    arguments = ARGUMENTS if x is None else (*ARGUMENTS[:2], f"{x}}}")
    return Choice(index, text, behaviour.text("reasoning"), tools, arguments, finish)


def _said_already(text: str, call: Call) -> int:
    """How much of the text's beginning, in whole words, stands somewhere in the prompt."""
    ends = [0, *itertools.accumulate(map(len, tokens(text)))]
    return max(end for end in ends if text[:end] in call.prompt)


def _text(behaviour: Behaviour, call: Call, index: int) -> str:
    if behaviour.has("huge"):
        return "x" * int(behaviour.number("huge") * 1_000_000)
    if behaviour.has("echo_tools"):
        offered = call.body.get("tools") or []
        return json.dumps([tool["function"]["name"] for tool in offered])
    if behaviour.has("then") and call.number > 1:
        later = behaviour.all("then")
        return plain(later[min(call.number - 2, len(later) - 1)])
    said, count = behaviour.text("say"), behaviour.count("tokens")
    if count is not None:
        words = said.split()
        return " ".join(words[i % len(words)] if words else f"w{i + 1}" for i in range(count))
    if behaviour.has("say"):
        return said
    users = [text_of(message) for message in call.messages if message.get("role") == "user"]
    number = f"{call.number}.{index}" if index else f"{call.number}"
    return f"{call.model} #{number}: {users[-1][:60] if users else ''}"
