"""Two attempts side by side of which one is heard: the first to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moakit.models.base import Reply
    from moakit.run.ear import Ear


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
            for other in self.lanes:
                if other is not lane and other.task is not None:
                    other.task.cancel("the other attempt was faster")
        return self.winner is lane


class Lane:
    """One of the attempts; `task` makes it."""

    __slots__ = ("_race", "task")

    def __init__(self, race: Race) -> None:
        self._race = race
        self.task: asyncio.Task[Reply] | None = None
        race.lanes.append(self)

    def leads(self) -> bool:
        """Say whether this lane is heard."""
        return self._race.won_by(self)

    def hearing(self, ear: Ear) -> LaneEar:
        """Return what hears the lane only while it leads."""
        return LaneEar(self, ear)


class LaneEar:
    """Passes a lane's stream on to its ear while the lane leads."""

    __slots__ = ("_ear", "_lane")

    def __init__(self, lane: Lane, ear: Ear) -> None:
        self._lane = lane
        self._ear = ear

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        """Take one piece."""
        if self._lane.leads():
            self._ear(text, kind, index, data)

    @property
    def first(self) -> float | None:
        """When the first piece came."""
        return self._ear.first

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return self._ear.full

    async def drain(self) -> None:
        """Wait for the reader."""
        await self._ear.drain()
