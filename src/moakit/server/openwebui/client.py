"""Telling Open WebUI from other clients, and its chats from its background tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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
    return bool(_header(headers, b"x-openwebui-chat-id")) or _header(headers, b"x-moa-client") == "openwebui"


def task_of(headers: Headers, prompt: Prompt, *, stream: bool, dialect: bool) -> str:
    """Return the background task a request is for, "" for a chat.

    The header counts for every client; the wording only for Open WebUI, so that another client's own
    "### Task:" prompt is never answered by a small model.
    """
    named = _header(headers, b"x-moa-task")
    if named or not dialect or len(prompt) != 1 or prompt[0].get("role") != "user":
        return named
    text = text_of(prompt[0])
    if text.startswith(_MERGE_PROMPT):
        return MERGE
    worded = text.startswith("### Task:") and any(mark in text for mark in _TASK_MARKS)
    return "unnamed" if worded and not stream else ""


def _header(headers: Headers, name: bytes) -> str:
    value = next((value for known, value in headers if known == name), b"").decode("latin-1").strip()
    # A placeholder that Open WebUI did not fill in stands for nothing.
    return "" if value.startswith("{{") else value
