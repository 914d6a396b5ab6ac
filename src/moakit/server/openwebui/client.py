"""Telling Open WebUI from other clients, and its chats from its background tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from moakit.observe.openwebui import Shown
from moakit.types import Prompt, text_of

Headers = Sequence[tuple[bytes, bytes]]

MERGE = "moa_response_generation"
"""The task of the "Merge Responses" button."""
_MERGE_PROMPT = "You have been provided with a set of responses from various models to the latest user query:"
_TASK_MARKS = ("### Chat History:", "<chat_history>", "JSON format:")


def speaks(headers: Headers, mode: Literal["auto", "always", "never"]) -> bool:
    """Say whether a request under `/v1` is Open WebUI's: it carries a chat's id, or our own header."""
    if mode != "auto":
        return mode == "always"
    if _header(headers, b"x-openwebui-chat-id"):
        return True
    return _header(headers, b"x-moa-client").lower() == "openwebui"


def task_of(headers: Headers, prompt: Prompt, *, stream: bool, dialect: bool) -> str:
    """Return the background task a request is for, "" for a chat.

    The header counts for every client; the wording only for Open WebUI, so that another client's own
    "### Task:" prompt is never answered by a small model.
    """
    named = _header(headers, b"x-moa-task")
    # A system prompt that an administrator gave the model comes along with tasks too.
    said = [message for message in prompt if message.get("role") not in ("system", "developer")]
    if named or not dialect or len(said) != 1 or said[0].get("role") != "user":
        return named
    text = text_of(said[0]).lstrip()
    if text.startswith(_MERGE_PROMPT):
        return MERGE
    worded = text.startswith("### Task:") and any(mark in text for mark in _TASK_MARKS)
    return "unnamed" if worded and not stream else ""


def shown(headers: Headers, default: Shown) -> Shown:
    """Return how the proposers' answers are shown: as the request asks, else as the server is set."""
    asked = _header(headers, b"x-moa-show-proposers")
    return next((known for known in get_args(Shown) if known == asked), default)


def _header(headers: Headers, name: bytes) -> str:
    value = next((value for known, value in headers if known == name), b"").decode("latin-1").strip()
    # A placeholder that Open WebUI did not fill in stands for nothing.
    return "" if value.startswith("{{") else value
