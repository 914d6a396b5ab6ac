"""The protocol every model follows, in the few types it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from moakit.models.providers import Endpoint
from moakit.types import NO_USAGE, Message, Usage


class Reply(msgspec.Struct, kw_only=True):
    """What a model answered: the fields of a `Response` that the model knows.

    `cost` is in dollars, None when unknown; `first_token` in seconds since the call began, None when not
    streamed; `extra` holds whatever else the provider sent.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = "stop"
    usage: Usage = NO_USAGE
    cost: float | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Listener(Protocol):
    """Hears a streamed reply, piece by piece."""

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        """Take one piece; never blocks."""

    @property
    def full(self) -> bool:
        """Whether the reader is behind, so that `drain` should be awaited before reading on."""

    async def drain(self) -> None:
        """Wait until the reader has caught up."""


class Model(Protocol):
    """Anything that answers messages.

    `name` is the full `provider/model`; `endpoint` is where its limits and prices are kept, None for a model
    without any.
    """

    @property
    def name(self) -> str:
        """The full `provider/model` name."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The provider's address and limits."""

    async def respond(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], listener: Listener | None = None
    ) -> Reply:
        """Answer; with a listener the answer is streamed to it. Raises `CallError`."""
