"""The settings of waiting and failing, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from moakit.errors import ConfigError, MoaError, nearest
from moakit.policies.agreement import Measure
from moakit.policies.budget import limits_from
from moakit.prompts.layouts import Layout, Template, layout_named


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of a layer; None means "as the layer around it", in the end `DEFAULTS`.

    quorum: go on, after `grace`, once this many proposals are there.
    grace: seconds to wait for the rest then; by default as long as the quorum took, at least 2.
    minimum: fewer proposals than this in the end are `NotEnoughResponses`.
    agreement: stop waiting once the proposals, two or more, agree this much, 0 to 1.
    measure: how much they agree: a function from texts to a number; by default, by their words.
    deadline: seconds for the whole run; on a layer, for that layer.
    timeout, first_token, idle: seconds for one call, to its first token, between two tokens.
    retries: attempts of a call after the first.
    max_tokens: the longest response of an agent that sets no limit of its own, in tokens.
    reference_tokens: the longest a reference is shown, in tokens; what is longer is cut in its middle.
    strict: wait for every proposer; any failure fails.
    on_no_references: "error", or "answer": the aggregator alone.
    on_no_aggregator: "error", or "best": the proposal the others agree with most.
    on_cut: the answer's stream breaks after its first token: "error", or "continue" on a fallback.
    hedge: send a second attempt beside one that is slower than 95 of 100, for at most 5 % of the calls.
    prompt: the layout: "moakit", "council", "together", a `Template` or a function.
    cite: the answer may carry marks, [1], that lead to its references; they are checked.
    multiturn: False shows models the system message and the last user message only.
    tools: what becomes of a request's tools: they are the "aggregator"'s alone; "reject" the request;
        "bypass" the proposers, so that the final agent answers alone; or proposers "vote" on calls.
    merge: who makes one of proposals where a request asks for a JSON schema: the "aggregator", or the
        "fields" of the proposals, which have the same form.
    budget: dollars that one run may spend here, or a table of `tokens` and `dollars`.
    """

    quorum: int | None = None
    grace: float | None = None
    minimum: int | None = None
    agreement: float | None = None
    measure: Measure | None = None
    deadline: float | None = None
    timeout: float | None = None
    first_token: float | None = None
    idle: float | None = None
    retries: int | None = None
    max_tokens: int | None = None
    reference_tokens: int | None = None
    strict: bool | None = None
    on_no_references: Literal["error", "answer"] | None = None
    on_no_aggregator: Literal["error", "best"] | None = None
    on_cut: Literal["error", "continue"] | None = None
    hedge: bool | None = None
    prompt: Layout | None = None
    cite: bool | None = None
    multiturn: bool | None = None
    tools: Literal["aggregator", "reject", "bypass", "vote"] | None = None
    merge: Literal["aggregator", "fields"] | None = None
    budget: float | Mapping[str, float] | None = None

    def over(self, outer: Settings) -> Settings:
        """Return these settings, gaps filled from the layer around; not so the deadline and the budget."""
        if self is NO_SETTINGS and outer.deadline is None and outer.budget is None:
            return outer
        merged = {
            name: getattr(outer, name) if (own := getattr(self, name)) is None else own for name in INHERITED
        }
        return Settings(**merged)

    def given(self) -> dict[str, Any]:
        """Return the settings that were set."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def to_config(self) -> dict[str, Any]:
        """Return the settings as plain data; what is given as a function has no configuration."""
        config = self.given()
        prompt = config.get("prompt")
        if isinstance(prompt, Template):
            config["prompt"] = prompt.changed()
        elif prompt is not None and not isinstance(prompt, str):
            raise MoaError("a prompt that is a function has no configuration", hint="use a Template")
        if self.measure is not None:
            raise MoaError("a measure is a function, so it has no configuration", hint="set it in Python")
        return config


INHERITED = tuple(name for name in Settings.__struct_fields__ if name not in ("deadline", "budget"))
NO_SETTINGS = Settings()
DEFAULTS = Settings(
    minimum=1,
    timeout=120.0,
    retries=2,
    strict=False,
    on_no_references="error",
    on_no_aggregator="error",
    on_cut="error",
    hedge=False,
    prompt="moakit",
    cite=False,
    multiturn=True,
    tools="aggregator",
    merge="aggregator",
)
"""What holds where nothing is set. `first_token` and `idle` (below) apply where a call is streamed anyway."""
DEADLINE, FIRST_TOKEN, IDLE = 300.0, 60.0, 30.0

_SECONDS = ("grace", "deadline", "timeout", "first_token", "idle")
_COUNTS = {"quorum": 1, "minimum": 1, "retries": 0, "max_tokens": 1, "reference_tokens": 1}
_CHOICES = {
    "on_no_references": ("error", "answer"),
    "on_no_aggregator": ("error", "best"),
    "on_cut": ("error", "continue"),
    "tools": ("aggregator", "reject", "bypass", "vote"),
    "merge": ("aggregator", "fields"),
}


def settings_from(owner: str, words: tuple[str, ...] = (), **given: Any) -> Settings:
    """Return checked settings; a value out of range is a ConfigError that names the owner and the setting.

    `words` are what the owner takes besides, for "did you mean".
    """
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in Settings.__struct_fields__:
            names = (*words, *Settings.__struct_fields__)
            near, known = nearest(name, names), ", ".join(names)
            raise ConfigError(
                f"{owner}: unknown setting {name!r}",
                hint=f"did you mean {near!r}?" if near else f"known: {known}",
            )
        if name in _SECONDS:
            good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            wanted = "seconds, more than 0"
            good = good or (name == "grace" and value == 0)
        elif name in _COUNTS:
            good = isinstance(value, int) and not isinstance(value, bool) and value >= _COUNTS[name]
            wanted = f"a whole number, {_COUNTS[name]} or more"
        elif name in _CHOICES:
            good, wanted = value in _CHOICES[name], " or ".join(map(repr, _CHOICES[name]))
        elif name == "prompt":
            layout_named(value)
            continue
        elif name == "budget":
            limits_from(owner, value)
            continue
        elif name == "agreement":
            good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
            wanted = "a number above 0, at most 1"
        elif name == "measure":
            good, wanted = callable(value), "a function from texts to a number"
        else:
            good, wanted = isinstance(value, bool), "true or false"
        if not good:
            raise ConfigError(f"{owner}: {name} = {value!r} is not {wanted}")
    return Settings(**given) if given else NO_SETTINGS
