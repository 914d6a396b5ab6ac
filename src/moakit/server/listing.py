"""The list of models: every ensemble, described."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from moakit.errors import UnknownModel, UserError
from moakit.layers import Agent, Layer
from moakit.models.discover import OURS
from moakit.models.windows import window_of
from moakit.observe.openwebui import tail_of
from moakit.server.replies import failure_of, send_failure, send_json

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from moakit.config import Config

CAPABILITIES = {
    "usage": True,
    "builtin_tools": False,
    "citations": True,
    "status_updates": True,
    "vision": True,
    "file_context": True,
}
"""What Open WebUI may do with an ensemble."""


class Models:
    """`GET /v1/models`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.created = int(time.time())
        self.entries = {name: _entry(name, layer, self.created) for name, layer in config.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the list; the default ensemble stands first."""
        first = self.config.default
        entries = sorted(self.entries.values(), key=lambda entry: entry["id"] != first)
        await send_json(send, 200, {"object": "list", "data": entries})


class OneModel:
    """`GET /v1/models/{id}`."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one model, or 404 with the nearest name."""
        name, models = scope["path_params"]["id"], self._models
        try:
            entry = models.entries.get(name) or _entry(name, served(name, models.config), models.created)
        except UserError as error:
            await send_failure(send, failure_of(error))
        else:
            await send_json(send, 200, entry)


def served(name: str, config: Config) -> Layer:
    """Return what answers under a name: an ensemble, or a model passed through; raises `UnknownModel`."""
    if name in config:
        return config[name]
    if config.server.passthrough and "/" in name and config.configured(name):
        return Agent(config.model(name))
    raise UnknownModel("model", name, config, hint=f"there are: {', '.join(config)}")


def _entry(name: str, layer: Layer, created: int) -> dict[str, Any]:
    description = str(getattr(layer, "description", "") or "")
    entry: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": OURS,
        "name": name,
        "description": description,
        "info": {
            "meta": {"description": description, "capabilities": CAPABILITIES, "suggestion_prompts": []}
        },
    }
    window = _window(layer)
    if window is not None:
        entry["context_length"] = window
    return entry


def _window(layer: Layer) -> int | None:
    """Return the window of the agent at the tail, which everything has to fit into."""
    tail = tail_of(layer)
    return None if tail is None else window_of(tail.bound.endpoint, tail.model)
