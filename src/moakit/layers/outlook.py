"""What the call that ends a layer may take, told before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moakit.layers.agent import Agent
from moakit.layers.aggregator import Aggregator
from moakit.layers.base import Layer
from moakit.layers.cascade import Cascade
from moakit.layers.map import Map
from moakit.layers.proposers import Proposers
from moakit.layers.residual import Residual
from moakit.layers.router import Router
from moakit.layers.sequential import Sequential
from moakit.layers.until import Until
from moakit.models.estimates import LENGTHS, Estimate, estimate_call, longest_answer
from moakit.models.tokens import estimate
from moakit.policies.settings import Settings
from moakit.policies.tools import goes_alone
from moakit.prompts import Template, compose, last_turn
from moakit.run.purse import LastCall
from moakit.run.scope import References, Run
from moakit.types import Prompt

STAND_IN = "x"
"""What stands in the prompt for a reference that is not written yet."""


def last_call(layer: Layer, prompt: Prompt, references: References, run: Run) -> LastCall | None:
    """Return the estimates, with every reference as long as it may become; None for a layer of one's own."""
    given = [estimate(reference.text) for reference in references]
    return _last(
        layer, prompt, given, run.settings, run, replays=run.tail and references is run.journey.given
    )


def _last(
    layer: Layer, prompt: Prompt, given: Sequence[int], settings: Settings, run: Run, *, replays: bool
) -> LastCall | None:
    while not isinstance(layer, Agent):
        settings = layer.settings.over(settings)
        if isinstance(layer, Aggregator):
            layer = layer.agent
        elif isinstance(layer, Sequential):
            # The tail alone sees no references.
            alone = run.tail and goes_alone(prompt, run.parameters, settings) and not replays
            first = layer.begins if replays else 0
            given = [] if alone else _after(layer.layers[first:-1], given, settings)
            replays = replays and layer.passes_on
            layer = layer.layers[-1]
        elif isinstance(layer, Until):
            given = max(given, _lengths(layer.layer, given, settings), key=sum)
            layer = layer.layer
        elif isinstance(layer, Router | Cascade):
            ways = layer.routes if isinstance(layer, Router) else layer.stages
            return _dearest([_last(way, prompt, given, settings, run, replays=replays) for way in ways])
        elif (ending := layer.ending(given, settings)) is not None:
            layer, given = ending
        else:
            return None
    shown = last_turn(prompt) if settings.multiturn is False else prompt
    layout = settings.prompt or "moakit"
    # A layout of the user's own is a function, which is called with real references only.
    told = [STAND_IN] * len(given) if isinstance(layout, str | Template) else []
    draws = layer.samples if run.sample is None else 1
    estimates = []
    for agent in (layer, *layer.stand_ins):
        messages = compose(
            shown, told, system=agent.system, layout=layout, seed=run.run_id, cite=bool(settings.cite)
        )
        parameters = _parameters(agent, settings, run.parameters)
        one = estimate_call(agent.bound, messages, parameters, more=sum(given))
        estimates.append(Estimate(one.model, one.prompt * draws, one.answer * draws))
    return LastCall(estimates, needed=settings.on_no_aggregator != "best")


def _dearest(ways: Sequence[LastCall | None]) -> LastCall | None:
    """Return the calls that end the ways a layer may take, the dearest first: it is the one held back."""
    known = [way for way in ways if way is not None]
    if len(known) < len(ways):
        return None
    known.sort(key=lambda way: way.estimates[0].tokens, reverse=True)
    return LastCall([one for way in known for one in way.estimates], needed=all(way.needed for way in known))


def _after(layers: Sequence[Layer], given: Sequence[int], settings: Settings) -> list[int]:
    """Return the longest that each response may be after these layers."""
    longest = list(given)
    for layer in layers:
        longest = _lengths(layer, longest, settings)
    return longest


def _lengths(layer: Layer, given: Sequence[int], settings: Settings) -> list[int]:
    """Return the longest that each response of a layer may be, in tokens."""
    settings = layer.settings.over(settings)
    if isinstance(layer, Agent):
        return [longest_answer(_parameters(layer, settings, {}))] * layer.samples
    if isinstance(layer, Sequential):
        return _after(layer.layers, given, settings)
    if isinstance(layer, Router | Cascade):
        ways = layer.routes if isinstance(layer, Router) else layer.stages
        return max((_lengths(way, given, settings) for way in ways), key=sum)
    if isinstance(layer, Map):
        parts = _lengths(layer.layer, given, settings) * layer.most
        return [sum(parts)] if layer.join else parts
    if isinstance(layer, Until):
        longest = list(given)
        for _ in range(layer.times):
            longest = _lengths(layer.layer, longest, settings)
        return longest
    if isinstance(layer, Proposers):
        return lengths_inside(layer, given, settings) * layer.samples
    if isinstance(layer, Residual):
        return [*given, *lengths_inside(layer, given, settings)]
    return layer.lengths(given, settings)


def lengths_inside(layer: Layer, given: Sequence[int], settings: Settings) -> list[int]:
    """Return the longest that each response of the layers inside a layer may be, one layer after another."""
    return [length for child in layer.planned() for length in _lengths(child, given, settings)]


def _parameters(agent: Agent, settings: Settings, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is sent with the call, as far as it makes it longer."""
    own: Mapping[str, Any] = {**agent.extra, "max_tokens": agent.max_tokens or settings.max_tokens}
    if not asked.keys().isdisjoint(LENGTHS):
        own = {name: value for name, value in own.items() if name not in LENGTHS}
    return {**own, **asked}
