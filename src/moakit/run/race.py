"""Two attempts side by side of which one is heard: the first to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moakit.models.base import Listener, Reply

LOST = "the other attempt was faster"


class Race:
    """The lanes, and which of them spoke first: the others are cancelled that moment."""

    __slots__ = ("lanes", "winner")

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.winner: Lane | None = None

    def won_by(self, lane: Lane) -> bool:
        """Say whether this lane is the one that is heard; the first that asks is."""
        if self.winner is None:
            self.winner = lane
            lane.first = asyncio.get_running_loop().time() - lane.started
            for other in self.lanes:
                if other is not lane and other.task is not None:
                    other.task.cancel(LOST)
        return self.winner is lane


class Lane:
    """One of the attempts, made by `task`.

    `started` is the loop's time; `first` the seconds until it spoke, where it won.
    """

    __slots__ = ("_listener", "_race", "first", "started", "task")

    def __init__(self, race: Race, listener: Listener | None) -> None:
        self._race = race
        self._listener = listener
        self.started = asyncio.get_running_loop().time()
        self.first = 0.0
        self.task: asyncio.Task[Reply] | None = None
        race.lanes.append(self)

    @property
    def ear(self) -> Listener | None:
        """What hears this lane while it leads, None where nothing is streamed."""
        return None if self._listener is None else self

    def leads(self) -> bool:
        """Say whether this lane is heard."""
        return self._race.won_by(self)

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        """Pass a piece on, if this lane leads."""
        if self._listener is not None and self.leads():
            self._listener(text, kind, index, data)

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return self._listener is not None and self._listener.full

    async def drain(self) -> None:
        """Wait for the reader."""
        if self._listener is not None:
            await self._listener.drain()
