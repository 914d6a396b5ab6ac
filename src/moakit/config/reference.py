"""The reference of `moa.toml`, made from its schema: Markdown tables, and a JSON schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from moakit.config import refining, routing, selecting
from moakit.config.schema import (
    SECTIONS,
    AgentConfig,
    AggregateConfig,
    BudgetConfig,
    CouncilConfig,
    FileConfig,
    KeyBudgetConfig,
    KeyConfig,
    MoAConfig,
    PriceConfig,
    ProposeConfig,
    ProviderConfig,
    ResidualConfig,
    SequentialConfig,
    ServerConfig,
)
from moakit.config.waiting import Waiting
from moakit.config.writing import value_of
from moakit.policies.settings import DEADLINE, DEFAULTS, FIRST_TOKEN, IDLE
from moakit.prompts import LAYOUTS, Template

SETTINGS = "waiting and failing"
"""The heading of the settings that several tables share."""
INHERITANCE = (
    "Settings of an ensemble, or of a layer in it; a layer takes what it does not set from the one around it."
)

# What holds where nothing is set and the schema alone cannot say it.
_WORDS: Mapping[tuple[str, str], str] = {
    ("Waiting", "quorum"): "all of fewer than three, else all but one of those that have not failed",
    ("Waiting", "grace"): "as long as the quorum took, at least 2",
    ("Waiting", "deadline"): f"{DEADLINE:g}; a layer of proposers leaves 40 % of it to the layers after it",
    ("Waiting", "first_token"): f"{FIRST_TOKEN:g} where the call is streamed",
    ("Waiting", "idle"): f"{IDLE:g} where the call is streamed",
    ("ServerConfig", "queue"): "as many as `concurrency`",
    ("ServerConfig", "overrides"): "`true` on loopback, else `false`",
}
# What the open types of the schema stand for.
_OPEN: Mapping[str, str] = {
    "propose": "list of layers",
    "proposers": "list of layers",
    "layers": "list of layers",
    "bench": "list of layers",
    "aggregate": "layer",
    "aggregator": "layer",
    "residual": "layer",
    "routes": "table of layers",
    "by": "table of lists, or agent",
    "cascade": "list of layers",
    "judge": "agent",
    "until": "layer",
    "map": "layer",
    "split": "agent",
    "critique": "layer",
    "revise": "layer, or list of layers",
    "peer_review": "agent, or list of agents",
    "window": "layer",
    "tree": "layer",
    "analyse": "agent",
    "members": "list of layers",
    "chair": "layer",
    "reviewers": "list of agents",
    "fallback": "agent, or list of agents",
    "providers": "tables",
    "ensembles": "tables",
    "server": "table",
    "keys": "list of texts or tables",
    "extra": "table",
    "rank": "agent",
    "best_of": "agent",
    "most_consistent": "agent",
    "price": "number or table",
    "budget": "dollars or table",
}


def markdown() -> str:
    """Return a heading, a sentence and a table of keys for every table of the file."""
    parts: list[str] = []
    for title, kind in SECTIONS:
        text = (kind.__doc__ or "").strip()
        if issubclass(kind, Waiting):
            text += f" It also takes every setting of [{SETTINGS}](#{SETTINGS.replace(' ', '-')})."
        fields = {name: field for name, field in _fields(kind).items() if not _is_shared(name, kind)}
        parts.append(f"### {_heading(title)}\n\n{text}\n\n{_table(kind, fields)}")
    parts.append(f"### {SETTINGS.capitalize()}\n\n{INHERITANCE}\n\n{settings_table()}")
    return "\n\n".join(parts)


def settings_table() -> str:
    """Return the table of the settings of waiting and failing alone."""
    return _table(Waiting, _fields(Waiting))


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a `moa.toml`."""
    kinds = [kind for _, kind in SECTIONS]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    found = {name: _closed(component) for name, component in components.items()}
    any_layer = {"$ref": "#/$defs/Layer"}
    layers = {"type": "array", "items": any_layer, "minItems": 1}
    bench = {"type": "array", "items": any_layer}
    agents = {"$ref": "#/$defs/Agents"}
    name = {"type": "string", "pattern": "^[^/]+/.+$", "description": "`provider/model`"}
    agent = [name, _ref(AgentConfig)]
    words = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    pattern = _ref(selecting.PatternConfig)
    any_agent = {"$ref": "#/$defs/Agent"}
    dollars = {"type": "number", "exclusiveMinimum": 0}
    price = [{"type": "number", "minimum": 0}, _ref(PriceConfig)]
    for kind, key, what in (
        (MoAConfig, "proposers", layers),
        (MoAConfig, "aggregator", any_layer),
        (MoAConfig, "bench", bench),
        (MoAConfig, "fallback", agents),
        (SequentialConfig, "layers", layers),
        (ProposeConfig, "propose", layers),
        (ProposeConfig, "bench", bench),
        (AggregateConfig, "aggregate", any_layer),
        (AggregateConfig, "fallback", agents),
        (ResidualConfig, "residual", any_layer),
        (routing.RouteConfig, "routes", _tables(any_layer)),
        (routing.RouteConfig, "by", {"anyOf": [*agent, _tables(words)]}),
        (routing.CascadeConfig, "cascade", layers),
        (routing.CascadeConfig, "judge", any_agent),
        (routing.UntilConfig, "until", any_layer),
        (routing.MapConfig, "map", any_layer),
        (routing.MapConfig, "split", any_agent),
        (refining.CritiqueConfig, "critique", any_layer),
        (refining.ReviseConfig, "revise", {"anyOf": [any_layer, bench]}),
        (refining.PeerReviewConfig, "peer_review", {"$ref": "#/$defs/Agents"}),
        (refining.WindowConfig, "window", any_layer),
        (refining.TreeConfig, "tree", any_layer),
        (refining.AnalyseConfig, "analyse", any_agent),
        (CouncilConfig, "members", layers),
        (CouncilConfig, "chair", any_layer),
        (CouncilConfig, "reviewers", {"type": "array", "items": any_agent}),
        (CouncilConfig, "bench", bench),
        (CouncilConfig, "fallback", agents),
        (selecting.RankConfig, "rank", any_agent),
        (selecting.BestOfConfig, "best_of", any_agent),
        (selecting.MostConsistentConfig, "most_consistent", any_agent),
        (selecting.VoteConfig, "vote", {"anyOf": [{"enum": ["text", "number", "letter"]}, pattern]}),
        (AgentConfig, "fallback", agents),
        (ProviderConfig, "price", {"anyOf": [*price, _tables({"anyOf": price})]}),
        (FileConfig, "providers", _tables(_ref(ProviderConfig))),
        (FileConfig, "ensembles", _tables(any_layer)),
        (FileConfig, "server", _ref(ServerConfig)),
        (ServerConfig, "keys", {"type": "array", "items": {"anyOf": [{"type": "string"}, _ref(KeyConfig)]}}),
        (KeyConfig, "budget", {"anyOf": [dollars, _ref(KeyBudgetConfig)]}),
    ):
        _typed(found[kind.__name__]["properties"][key], what)
    prompt = {
        "anyOf": [
            {"enum": list(LAYOUTS)},
            {
                "type": "object",
                "properties": {name: {"type": "string"} for name in Template.__struct_fields__},
                "additionalProperties": False,
            },
        ]
    }
    for component in found.values():
        if "prompt" in component["properties"]:
            _typed(component["properties"]["prompt"], prompt)
            _typed(component["properties"]["budget"], {"anyOf": [dollars, _ref(BudgetConfig)]})
    own = {
        "type": "object",
        "description": "A layer of your own, by its class's name.",
        "properties": {"layer": {"type": "string"}},
        "required": ["layer"],
    }
    shapes: tuple[type[msgspec.Struct], ...] = (
        MoAConfig,
        CouncilConfig,
        SequentialConfig,
        ProposeConfig,
        AggregateConfig,
        ResidualConfig,
        *(kind for _, kind in refining.TABLES),
        *(kind for _, kind in routing.TABLES),
        *(kind for _, kind in selecting.TABLES if kind is not selecting.PatternConfig),
    )
    found["Layer"] = {"anyOf": [*agent, *(_ref(shape) for shape in shapes), own]}
    found["Agent"] = {"anyOf": agent}
    found["Agents"] = {"anyOf": [*agent, {"type": "array", "items": {"anyOf": agent}}]}
    root = found.pop(FileConfig.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": "moa.toml",
        "$defs": dict(sorted(found.items())),
    }


def _table(kind: type[msgspec.Struct], fields: Mapping[str, inspect.Field]) -> str:
    owner = kind.__name__
    rows = [
        (f"`{name}`", _meaning(field), _value(name, field.type), _default(owner, name, field))
        for name, field in fields.items()
    ]
    cells = [("key", "meaning", "value", "default"), ("---",) * 4, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def _fields(kind: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    info = inspect.type_info(kind)
    if not isinstance(info, inspect.StructType):
        raise TypeError(kind)
    fields = {field.name: field for field in info.fields}
    # Keys of its own come before those it shares, required ones first.
    order = sorted(fields, key=lambda name: (_is_shared(name, kind), not fields[name].required))
    return {name: fields[name] for name in order}


def _is_shared(name: str, kind: type[msgspec.Struct]) -> bool:
    return kind is not Waiting and issubclass(kind, Waiting) and name in Waiting.__struct_fields__


def _heading(title: str) -> str:
    if not title:
        return "The file"
    code, comma, rest = title.partition(", ")
    if "[" in code or "=" in code:
        return f"`{code}`{comma}{rest}"
    return title[0].upper() + title[1:]


def _meaning(field: inspect.Field) -> str:
    kind = field.type
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", ""))
    return ""


def _default(owner: str, name: str, field: inspect.Field) -> str:
    if (owner, name) in _WORDS:
        return _WORDS[owner, name]
    if field.required:
        return "**required**"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{value_of(field.default_factory()).replace('{  }', '{}')}`"
    value = field.default
    if value is None and owner == "Waiting":
        value = getattr(DEFAULTS, name)
    if value is None or value is msgspec.NODEFAULT or value == "":
        return "–"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value_of(value)}`"


def _value(name: str, kind: inspect.Type) -> str:
    return _OPEN[name] if name in _OPEN and _is_open(kind) else _type(kind)


def _is_open(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is_open(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(_is_open, kind.types))
    if isinstance(kind, inspect.ListType):
        return _is_open(kind.item_type)
    if isinstance(kind, inspect.DictType):
        return _is_open(kind.value_type)
    return isinstance(kind, inspect.AnyType)


def _type(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return _type(kind.type)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_type(one) for one in kind.types if not isinstance(one, inspect.NoneType))
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(f"`{value_of(value)}`" for value in kind.values)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _number(kind)
    if isinstance(kind, inspect.ListType):
        return f"list of {_type(kind.item_type)}"
    names: dict[type[inspect.Type], str] = {
        inspect.StrType: "text",
        inspect.BoolType: "`true` or `false`",
        inspect.DictType: "table",
    }
    return names.get(type(kind), "any")


def _number(kind: inspect.IntType | inspect.FloatType) -> str:
    name = "whole number" if isinstance(kind, inspect.IntType) else "number"
    if kind.gt is not None:
        return f"{name} above {kind.gt:g}"
    if kind.ge is not None and kind.le is not None:
        return f"{name}, {kind.ge:g} to {kind.le:g}"
    return f"{name}, {kind.ge:g} or more" if kind.ge is not None else name


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a table as TOML has it: no null, no unknown keys."""
    properties = {name: _without_null(one) for name, one in schema["properties"].items()}
    closed = {**schema, "properties": properties, "additionalProperties": False}
    if not closed.get("required"):
        closed.pop("required", None)
    return closed


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    if "anyOf" in kept:
        kinds = [kind for kind in kept.pop("anyOf") if kind != {"type": "null"}]
        kept |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return kept


def _typed(schema: dict[str, Any], what: Mapping[str, Any]) -> None:
    """Give a key whose type the schema leaves open the one it has."""
    for name in ("type", "items", "anyOf", "additionalProperties"):
        schema.pop(name, None)
    schema.update(what)


def _ref(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _tables(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": dict(of)}
