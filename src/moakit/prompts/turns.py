"""Which part of a conversation a model is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moakit.types import Message, Prompt, text_of


def continues(prompt: Prompt) -> bool:
    """Say whether the conversation ends in a tool's result, so that the answer goes on where it stopped."""
    return prompt[-1].get("role") in ("tool", "function")


def last_turn(prompt: Prompt) -> Prompt:
    """Return the system messages and the last user message only (with its tool loop, if it is in one)."""
    for index in range(len(prompt) - 1, -1, -1):
        if prompt[index].get("role") == "user":
            before, after = prompt[:index], prompt[index + 1 :]
            turn = [prompt[index], *after] if continues(prompt) else [*_system(after), prompt[index]]
            return [*_system(before), *turn]
    return prompt


def _system(messages: Prompt) -> list[Message]:
    return [message for message in messages if message.get("role") in ("system", "developer")]


def without_tools(prompt: Prompt) -> Prompt:
    """Return the conversation with tool calls and results told in words, for models that have no tools.

    A conversation without any is returned as it is.
    """
    if not any(_calls(message) or message.get("role") in ("tool", "function") for message in prompt):
        return prompt
    told: list[Message] = []
    names: dict[str, str] = {}
    results: list[str] = []
    for message in prompt:
        if message.get("role") in ("tool", "function"):
            name = names.get(str(message.get("tool_call_id")), str(message.get("name") or "tool"))
            results.append(f"[result of {name}: {text_of(message)}]")
            # In a user turn, so that turns go on taking turns and no conversation ends in the assistant's.
            del told[len(told) - (len(results) > 1) :]
            told.append({"role": "user", "content": "\n".join(results)})
            continue
        results = []
        if calls := _calls(message):
            lines = [text_of(message)] if text_of(message) else []
            for call in calls:
                names[str(call.get("id"))] = str((call.get("function") or {}).get("name"))
                lines.append(f"[called {called(call)}]")
            rest = {
                key: value for key, value in message.items() if key not in ("tool_calls", "function_call")
            }
            told.append({**rest, "content": "\n".join(lines)})
        else:
            told.append(message)
    return told


def called(call: Mapping[str, Any]) -> str:
    """Return a tool call in words: what is called, with what."""
    function = call.get("function") or {}
    return f"{function.get('name')} with {function.get('arguments')}"


def _calls(message: Message) -> Sequence[Mapping[str, Any]]:
    """Return a message's tool calls; `function_call` is the older form of one."""
    old = message.get("function_call")
    return message.get("tool_calls") or ([{"function": old}] if isinstance(old, Mapping) else ())
