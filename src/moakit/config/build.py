"""Making layers from configuration data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from moakit.config.checks import at, checked, known_keys
from moakit.config.options import options_of
from moakit.config.refining import (
    AnalyseConfig,
    CritiqueConfig,
    PeerReviewConfig,
    ReviseConfig,
    TreeConfig,
    WindowConfig,
)
from moakit.config.routing import CascadeConfig, MapConfig, RouteConfig, UntilConfig
from moakit.config.schema import (
    AgentConfig,
    AggregateConfig,
    CouncilConfig,
    MoAConfig,
    ProposeConfig,
    ResidualConfig,
    SequentialConfig,
)
from moakit.config.selecting import (
    BestOfConfig,
    DiverseConfig,
    DropOutliersConfig,
    MostConsistentConfig,
    PatternConfig,
    RankConfig,
    ShuffleConfig,
    TruncateConfig,
    VoteConfig,
)
from moakit.ensembles import Council, MoA
from moakit.errors import ConfigError, MoaError, UnknownModel
from moakit.layers import (
    Agent,
    Aggregator,
    Analyse,
    BestOf,
    Cascade,
    Critique,
    Diverse,
    Layer,
    Map,
    MostConsistent,
    OutlierFilter,
    PeerReview,
    Proposers,
    Provider,
    Ranker,
    Residual,
    Revise,
    Router,
    Sequential,
    Shuffle,
    Tree,
    Truncate,
    Until,
    Voter,
    Window,
)
from moakit.layers.extraction import pattern_of
from moakit.models.providers import Endpoint
from moakit.models.resolve import find_model
from moakit.prompts import Template
from moakit.prompts.critique import CRITIQUE
from moakit.prompts.revision import REVISION


class Context(NamedTuple):
    """What names in a configuration mean: its providers, the environment, the user's own layers."""

    endpoints: Mapping[str, Endpoint] = {}
    environ: Mapping[str, str] | None = None
    layers: Mapping[str, type[Layer]] = {}


def from_config(
    config: Any, *, layers: Iterable[type[Layer]] = (), providers: Iterable[Provider] = ()
) -> Layer:
    """Return the layer that `to_config` described.

    `layers` are classes of your own that the configuration names; `providers` those that are not built in.
    Raises `ConfigError` with the path of what is wrong.

    >>> from_config({"proposers": ["demo/planner"], "aggregator": "demo/editor"}).summary().calls
    2
    """
    endpoints = {provider.endpoint.name: provider.endpoint for provider in providers}
    return build(config, "", Context(endpoints, None, {layer.__name__: layer for layer in layers}))


def build(config: Any, path: str, context: Context) -> Layer:
    """Return the layer a piece of configuration describes; `path` is its place, for errors."""
    if isinstance(config, str):
        config = {"model": config}
    if not isinstance(config, Mapping):
        raise ConfigError(f"{path or 'the configuration'}: expected a model's name or a table")
    key = next((key for key in _MAKERS if key in config), None)
    if key is None:
        known_keys(config, _MAKERS, path)
    make = _MAKERS[str(key)]
    try:
        return make(config, path, context)
    except UnknownModel as error:
        raise ConfigError(f"{path}: {error.message}" if path else error.message, hint=error.hint) from error


def agents(layer: Layer) -> Iterator[Agent]:
    """Yield every agent in a layer, each followed by those that stand in for it."""
    for _, inner in layer.named_layers():
        if isinstance(inner, Agent):
            yield inner
            for fallback in inner.fallback:
                yield from agents(fallback)


def _agent(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, AgentConfig, path)
    options = options_of(given, path, "model", "fallback")
    model = find_model(given.model, context.endpoints, context.environ)
    return _made(path, Agent, model, fallback=_fallback(given.fallback, path, context), **options)


def _moa(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, MoAConfig, path)
    return _made(
        path,
        MoA,
        _several(given.proposers, at(path, "proposers"), context),
        build(given.aggregator, at(path, "aggregator"), context),
        bench=_several(given.bench, at(path, "bench"), context),
        fallback=_fallback(given.fallback, path, context),
        **options_of(given, path, "proposers", "aggregator", "bench", "fallback"),
    )


def _council(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, CouncilConfig, path)
    return _made(
        path,
        Council,
        _several(given.members, at(path, "members"), context),
        build(given.chair, at(path, "chair"), context),
        reviewers=_several(given.reviewers, at(path, "reviewers"), context),
        bench=_several(given.bench, at(path, "bench"), context),
        fallback=_fallback(given.fallback, path, context),
        **options_of(given, path, "members", "chair", "reviewers", "bench", "fallback"),
    )


def _sequential(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, SequentialConfig, path)
    layers = _several(given.layers, at(path, "layers"), context)
    return _made(path, Sequential, *layers, **options_of(given, path, "layers"))


def _proposers(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, ProposeConfig, path)
    layers = _several(given.propose, at(path, "propose"), context)
    bench = _several(given.bench, at(path, "bench"), context)
    return _made(path, Proposers, *layers, bench=bench, **options_of(given, path, "propose", "bench"))


def _aggregator(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, AggregateConfig, path)
    agent = build(given.aggregate, at(path, "aggregate"), context)
    options = options_of(given, path, "aggregate", "fallback")
    return _made(path, Aggregator, agent, fallback=_fallback(given.fallback, path, context), **options)


def _residual(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, ResidualConfig, path)
    return _made(path, Residual, build(given.residual, at(path, "residual"), context))


def _router(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, RouteConfig, path)
    routes = {name: build(one, at(path, f"routes.{name}"), context) for name, one in given.routes.items()}
    by = given.by if _are_words(given.by) else build(given.by, at(path, "by"), context)
    return _made(path, Router, routes, by=by, **options_of(given, path, "routes", "by"))


def _are_words(by: Any) -> bool:
    """Say whether a router's `by` is words by route; an agent has a model, and no agent is all lists."""
    return isinstance(by, Mapping) and all(isinstance(words, list) for words in by.values())


def _cascade(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, CascadeConfig, path)
    stages = _several(given.cascade, at(path, "cascade"), context)
    judge = None if given.judge is None else build(given.judge, at(path, "judge"), context)
    return _made(path, Cascade, *stages, judge=judge, agree=given.agree)


def _until(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, UntilConfig, path)
    inside = build(given.until, at(path, "until"), context)
    return _made(path, Until, inside, **options_of(given, path, "until"))


def _map(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    given = checked(config, MapConfig, path)
    inside = build(given.map, at(path, "map"), context)
    split = build(given.split, at(path, "split"), context)
    return _made(path, Map, inside, split=split, **options_of(given, path, "map", "split"))


def _refining(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    """Return a layer that is made of the layers under its own key, one or a list."""
    key = next(key for key in _REFINING if key in config)
    table, kind, template = _REFINING[key]
    given = checked(config, table, path)
    inside, place = getattr(given, key), at(path, key)
    layers = _several(inside, place, context) if isinstance(inside, list) else [build(inside, place, context)]
    if isinstance(inside, list) and key not in _LISTED:
        raise ConfigError(f"{place}: expected one layer, got a list")
    return _made(path, kind, *layers, **options_of(given, path, key, template=template))


def _selecting(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    key = next(key for key in _SELECTING if key in config)
    table, kind = _SELECTING[key]
    given = checked(config, table, path)
    value = getattr(given, key)
    if key in ("rank", "best_of", "most_consistent"):
        value = build(value, at(path, key), context)
    elif isinstance(value, dict):
        where = at(path, key)
        value = pattern_of(checked(value, PatternConfig, where).pattern, f"{where}.pattern")
    return _made(path, kind, value, **options_of(given, path, key))


def _own(config: Mapping[str, Any], path: str, context: Context) -> Layer:
    name = config["layer"]
    kind = context.layers.get(str(name))
    if kind is None:
        raise UnknownModel(
            "layer", str(name), context.layers, hint="pass its class: from_config(config, layers=[…])"
        )
    given = {key: value for key, value in config.items() if key != "layer"}
    inner = given.get("arguments")
    if isinstance(inner, Mapping) and "layer" in inner and len(given) == 1:
        # An argument called `layer` stands one level deeper, where it does not hide the class's name.
        given = dict(inner)
    options = {key: _revived(value, at(path, key), context) for key, value in given.items()}
    try:
        return kind(**options)
    except TypeError as error:
        raise ConfigError(f"{path or name}: {error}") from error


_REFINING: Mapping[str, tuple[type[msgspec.Struct], type[Layer], Template]] = {
    "critique": (CritiqueConfig, Critique, CRITIQUE),
    "revise": (ReviseConfig, Revise, REVISION),
    "peer_review": (PeerReviewConfig, PeerReview, Template()),
    "window": (WindowConfig, Window, Template()),
    "tree": (TreeConfig, Tree, Template()),
    "analyse": (AnalyseConfig, Analyse, Template()),
}
"""The key that tells such a layer from others, its table, its class, the texts that a `prompt` changes."""
_LISTED = ("revise", "peer_review")
"""Those that take several."""
_SELECTING: Mapping[str, tuple[type[msgspec.Struct], type[Layer]]] = {
    "rank": (RankConfig, Ranker),
    "best_of": (BestOfConfig, BestOf),
    "most_consistent": (MostConsistentConfig, MostConsistent),
    "vote": (VoteConfig, Voter),
    "diverse": (DiverseConfig, Diverse),
    "drop_outliers": (DropOutliersConfig, OutlierFilter),
    "shuffle": (ShuffleConfig, Shuffle),
    "truncate": (TruncateConfig, Truncate),
}
"""The key that tells such a layer from others, its table, its class, which takes the key's value first."""

_MAKERS = {
    "layer": _own,
    "proposers": _moa,
    "members": _council,
    "propose": _proposers,
    "aggregate": _aggregator,
    "residual": _residual,
    "routes": _router,
    "cascade": _cascade,
    "until": _until,
    "map": _map,
    **dict.fromkeys(_REFINING, _refining),
    **dict.fromkeys(_SELECTING, _selecting),
    "layers": _sequential,
    "model": _agent,
}


def _revived(value: Any, path: str, context: Context) -> Any:
    if isinstance(value, Mapping) and not _MAKERS.keys().isdisjoint(value):
        return build(value, path, context)
    if isinstance(value, list):
        return [_revived(item, f"{path}[{index}]", context) for index, item in enumerate(value)]
    if isinstance(value, str) and "/" in value and not value.startswith(("/", "http")) and " " not in value:
        return build(value, path, context)
    return value


def _several(configs: Iterable[Any], path: str, context: Context) -> list[Layer]:
    return [build(config, f"{path}[{index}]", context) for index, config in enumerate(configs)]


def _fallback(config: Any, path: str, context: Context) -> list[Agent]:
    configs = [] if config is None else config if isinstance(config, list) else [config]
    agents = [build(one, at(path, f"fallback[{index}]"), context) for index, one in enumerate(configs)]
    for index, agent in enumerate(agents):
        if not isinstance(agent, Agent):
            raise ConfigError(f"{at(path, f'fallback[{index}]')}: a fallback is an agent")
    return [agent for agent in agents if isinstance(agent, Agent)]


def _made(path: str, kind: Any, *arguments: Any, **options: Any) -> Layer:
    try:
        layer: Layer = kind(*arguments, **options)
    except MoaError as error:
        if path and not error.message.startswith(path):
            error.args = (f"{path}: {error.message}", *error.args[1:])
        raise
    return layer
