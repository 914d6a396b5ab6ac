"""Going on with an answer whose stream broke after its first token: `on_cut = "continue"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from moakit.errors import BadResponse, BudgetExceeded, ContentFiltered, MoaError, ModelTimeout
from moakit.models.providers import PLAIN
from moakit.prompts.continuation import prefilled, requested
from moakit.run.ear import Ear
from moakit.run.seam import Seam

if TYPE_CHECKING:
    from moakit.models.base import Listener, Model, Reply
    from moakit.policies.timers import Timers
    from moakit.run.scope import Run
    from moakit.types import Prompt


class Cut:
    """What has been shown of one answer so far, and how the next model goes on with it.

    `single` says that there is no fallback, so that the model itself may go on, once. `open` says whether the
    answer can be continued at all: a tool call that broke off, or one of several choices, cannot.
    """

    __slots__ = ("_instructed", "_pieces", "_seam", "_single", "open")

    def __init__(self, *, single: bool) -> None:
        self._pieces: list[str] = []
        self._seam: Seam | None = None
        self._instructed = False
        self._single = single
        self.open = True

    @property
    def text(self) -> str:
        """The answer as far as it was shown."""
        return "".join(self._pieces)

    def ear(self, run: Run, timers: Timers, *, told: bool) -> Ear:
        """Return what listens to the next attempt."""
        return _Ear(run, timers, told=told, cut=self)

    def resumed(
        self, messages: Prompt, parameters: Mapping[str, Any], model: Model
    ) -> tuple[Prompt, Mapping[str, Any]]:
        """Return the request that goes on with the answer: by prefill where it is taken, else in words."""
        endpoint = model.endpoint
        prefill = "none" if self._instructed else (endpoint.quirks if endpoint else PLAIN).prefill
        self._seam = Seam(self.text, spaced=prefill == "none")
        self._instructed = prefill == "none"
        if prefill == "none":
            return requested(messages, self.text), parameters
        if prefill == "continue":
            more = {"continue_final_message": True, "add_generation_prompt": False}
            parameters = {**parameters, **more}
        return prefilled(messages, self.text, marked=prefill == "prefix"), parameters

    def again(self, error: MoaError) -> bool:
        """Say whether the same model is to go on itself: it refused a prefill, or there is no other.

        Each of the two happens once.
        """
        if not self.open or isinstance(error, ContentFiltered):
            return False
        if self._seam is not None and not self._instructed and _refused(error):
            self._instructed = True
            return True
        self._instructed = False
        single, self._single = self._single, False
        # A silent model is not asked again on the same route.
        return single and not isinstance(error, ModelTimeout | BudgetExceeded)

    def take(self, text: str, kind: str, index: int) -> str:
        """Note a piece before it is shown; return what is to be shown of it."""
        if kind == "tool" or index:
            self.open = False
        if kind != "content" or index:
            return text
        if self._seam is not None:
            text = self._seam.feed(text)
        self._pieces.append(text)
        return text

    def finish(self, reply: Reply, ear: Listener) -> Reply:
        """Return the reply with the whole answer, having shown what was held back."""
        if self._seam is None:
            return reply
        rest = self._seam.close()
        self._seam = None
        if rest:
            ear(rest)
        return msgspec.structs.replace(reply, text=self.text)


class _Ear(Ear):
    """Hears a stream that may be continued, or that continues another."""

    __slots__ = ("_cut",)

    def __init__(self, run: Run, timers: Timers, *, told: bool, cut: Cut) -> None:
        super().__init__(run, timers, told=told)
        self._cut = cut

    def __call__(
        self, text: str, kind: str = "content", index: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        """Take one piece; what repeats the answer so far is heard, but not shown."""
        shown = self._cut.take(text, kind, index)
        if shown or not text:
            super().__call__(shown, kind, index, data)
        else:
            now = self._time()
            self._timers.beat(now)
            if self.first is None:
                self.first = now


def _refused(error: MoaError) -> bool:
    """Say whether the model did not take the request as it was."""
    return isinstance(error, BadResponse) and error.status is not None and 400 <= error.status < 500
