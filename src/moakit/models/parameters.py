"""What one model takes of the parameters it is sent, and learning it from what the provider refuses."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from moakit.errors import BadResponse
from moakit.models.providers import Quirks

_log = logging.getLogger("moakit")

OPTIONAL = frozenset(
    [
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream_options",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    ]
)
"""Parameters a call can do without, so that one the provider does not support is dropped."""
REMEMBERED = 16
"""How many values of one parameter are remembered as not supported."""

_UNSUPPORTED = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra.forbidden|extra inputs|cannot find"
    r"|not (permitted|allowed|accepted|available)",
    re.IGNORECASE,
)
_OF_VALUE = re.compile(r"\bvalue\b", re.IGNORECASE)


class Parameters:
    """Renames and leaves out what a model does not take: what is known of its provider, and what it said.

    A parameter that is not supported is never sent again; one whose value is not supported is sent with
    another value, so that one request's bad value changes nothing for the others.
    """

    __slots__ = ("_dropped", "_model", "_renamed", "_values")

    def __init__(self, model: str, quirks: Quirks) -> None:
        self._model = model
        self._dropped = set(quirks.drop)
        self._renamed = dict(quirks.rename)
        self._values: dict[str, deque[Any]] = {}

    def fit(self, body: dict[str, Any]) -> None:
        """Change a request's body into one that the model takes, as far as is known."""
        for name, renamed in self._renamed.items():
            if name in body:
                body[renamed] = body.pop(name)
        for name in self._dropped:
            body.pop(name, None)
        for name, values in self._values.items():
            if name in body and body[name] in values:
                del body[name]

    def learn(self, error: BadResponse, body: Mapping[str, Any]) -> bool:
        """Learn from the refusal of this body; say whether another attempt makes sense."""
        text = error.message
        if error.status not in (400, 422) or not _UNSUPPORTED.search(text):
            return False
        named = (name for name in sorted(OPTIONAL & body.keys()) if re.search(rf"['\"`]{name}['\"`]", text))
        name = next(named, None)
        if name is None:
            return False
        if name == "max_tokens" and "max_completion_tokens" in text:
            if name not in self._renamed:
                self._renamed[name] = "max_completion_tokens"
                _log.warning("%s wants 'max_completion_tokens' in place of 'max_tokens'", self._model)
        elif _OF_VALUE.search(text):
            self._values.setdefault(name, deque(maxlen=REMEMBERED)).append(body[name])
            _log.warning("%s does not take this value of %r, which is left out", self._model, name)
        elif name not in self._dropped:
            self._dropped.add(name)
            _log.warning("%s does not take %r, which is left out from now on", self._model, name)
        # Another call may have learned it a moment ago; this one was still sent with it.
        return True
