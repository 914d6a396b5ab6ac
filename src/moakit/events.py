"""What a run tells while it happens; every view of a run is a reader of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from moakit.types import Answer, Response


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event carries: which run, which layer, and seconds since the run began."""

    run_id: str
    path: str
    at: float


class RunStarted(_Event, frozen=True, kw_only=True, tag=True):
    """The run began; `ensemble` is the ensemble's name or its class."""

    ensemble: str


class LayerStarted(_Event, frozen=True, kw_only=True, tag=True):
    """A layer began; `name` is its class."""

    name: str


class CallStarted(_Event, frozen=True, kw_only=True, tag=True):
    """An agent began to ask its model; `left_out` tokens of its references are not shown to it."""

    model: str
    role: str
    left_out: int = 0


class Delta(_Event, frozen=True, kw_only=True, tag=True):
    """A piece of a response, as it streams.

    `kind` is "content", "reasoning" or "tool". `answer` says that it is part of the answer.
    Pieces that reach us in one network read are one event. A "tool" delta carries its fragments in
    `data["tool_calls"]`; other fields of a choice (`logprobs`, …) are in `data` too; `index` is the choice.
    """

    text: str
    kind: str = "content"
    answer: bool = False
    index: int = 0
    data: Mapping[str, Any] | None = None


class CallRetried(_Event, frozen=True, kw_only=True, tag=True):
    """An attempt failed and is repeated after `wait` seconds."""

    error: Exception
    wait: float


class CallFinished(_Event, frozen=True, kw_only=True, tag=True):
    """An agent has its response."""

    response: Response


class CallFailed(_Event, frozen=True, kw_only=True, tag=True):
    """A model failed for good; `final` is False when a fallback takes over."""

    error: Exception
    final: bool


class Judged(_Event, frozen=True, kw_only=True, tag=True):
    """References were judged, or voted on; `verdict` is what came of it, as data, None without one.

    `error` says why there is none, "" when there is: the layer then went on without it.
    """

    verdict: Any = None
    error: str = ""


class LayerFinished(_Event, frozen=True, kw_only=True, tag=True):
    """A layer is done; `dropped` counts the responses it did without."""

    responses: tuple[Response, ...]
    dropped: int = 0


class RunFinished(_Event, frozen=True, kw_only=True, tag=True):
    """The run ended with an answer."""

    answer: Answer


class RunFailed(_Event, frozen=True, kw_only=True, tag=True):
    """The run ended without an answer."""

    error: Exception


Event: TypeAlias = (
    RunStarted
    | LayerStarted
    | CallStarted
    | Delta
    | CallRetried
    | CallFinished
    | CallFailed
    | Judged
    | LayerFinished
    | RunFinished
    | RunFailed
)


def to_mapping(event: Event) -> dict[str, Any]:
    """Return an event as plain data for JSON: `type`, then its fields; errors as `{type, message}`."""
    mapping: dict[str, Any] = msgspec.to_builtins(event, enc_hook=_error)
    return mapping


def _error(value: object) -> object:
    if isinstance(value, Exception):
        return {"type": type(value).__name__, "message": str(value)}
    raise NotImplementedError(type(value))
