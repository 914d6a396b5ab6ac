"""A model on some server, and what it says."""

from collections.abc import Mapping
from typing import Any

from moakit.models.base import Reply
from moakit.models.openai import OpenAIModel
from moakit.models.providers import Endpoint

KEY = "made-up-key-of-the-lab"


class Ear:
    """Hears a stream; a full one makes the model wait for `drain`."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.drained = 0
        self.heard: list[tuple[str, str, int, Mapping[str, Any] | None]] = []

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        self.heard.append((text, kind, index, data))

    async def drain(self) -> None:
        self.drained += 1

    def text(self, kind: str = "content", index: int = 0) -> str:
        return "".join(text for text, sort, at, _ in self.heard if (sort, at) == (kind, index))

    def data(self, kind: str = "content") -> list[Mapping[str, Any]]:
        return [data for _, sort, _, data in self.heard if sort == kind and data is not None]


def model_on(server: Any, name: str, **settings: Any) -> OpenAIModel:
    """Return a model on anything with a `base_url`."""
    given = {"name": "lab", "base_url": server.base_url, "api_key": KEY} | settings
    return OpenAIModel(Endpoint(**given), name)


async def ask(
    model: OpenAIModel,
    text: str = "hi there",
    *,
    streamed: bool = False,
    ear: Ear | None = None,
    **parameters: Any,
) -> Reply:
    """Ask once, with one user message."""
    listener = ear or Ear() if streamed or ear else None
    return await model.respond([{"role": "user", "content": text}], parameters, listener)
