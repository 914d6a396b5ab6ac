"""Making an ensemble of whatever is at hand: keys, local servers, in the end the demo models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moakit.config import article
from moakit.models import discover
from moakit.models.providers import Endpoint
from moakit.models.secrets import without_password
from moakit.run import background

WIDTH = 3
DEMO_ENSEMBLE = "moa-demo"


def discovered(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str], dict[str, Endpoint]]:
    """Return a configuration as plain data, a line for each thing found, and the endpoints it uses."""
    config = article.to_config(environ)
    taken = {prefix.lower() for prefix in article.prefixes(environ)}
    notes = [f".env: {name}" for name in config["ensembles"]]
    sources: list[tuple[Endpoint, Sequence[str]]] = []
    for endpoint in discover.keyed(environ):
        if endpoint.name not in taken:
            sources.append((endpoint, endpoint.quirks.suggested))
            notes.append(f"{endpoint.name}: {endpoint.key_variable} is set")
    for endpoint, models in background.call(discover.probe(environ)):
        if endpoint.name not in taken:
            sources.append((endpoint, by_size(models)))
            count = f"{len(models)} model{'s' if len(models) != 1 else ''}"
            notes.append(f"{endpoint.name}: {count} at {without_password(endpoint.base_url)}")
    if sources:
        config["ensembles"]["moa"] = ensemble_over([(endpoint.name, models) for endpoint, models in sources])
        config.setdefault("default", "moa")
    elif not config["ensembles"]:
        config["ensembles"][DEMO_ENSEMBLE] = demo()
        notes.append("no key and no local server was found: these are the demo models, not language models")
    return config, notes, {endpoint.name: endpoint for endpoint, _ in sources}


def ensemble_over(sources: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    """Return an ensemble over providers' models, given smallest first.

    The largest model of the first provider aggregates; proposers are taken from all providers in turn. One
    model alone proposes several times (Self-MoA).
    """
    named = [[f"{provider}/{model}" for model in models] for provider, models in sources]
    aggregator = named[0][-1]
    rounds = max(map(len, named))
    turns = [models[turn] for turn in range(rounds) for models in named if turn < len(models)]
    proposers = [model for model in turns if model != aggregator][:WIDTH]
    found = ", ".join(provider for provider, _ in sources)
    ensemble: dict[str, Any] = {"description": f"Mixture of Agents over what was found: {found}"}
    if not proposers:
        return ensemble | {"proposers": [aggregator], "samples": WIDTH, "aggregator": aggregator}
    return ensemble | {"proposers": proposers, "aggregator": aggregator}


def demo() -> dict[str, Any]:
    """Return the ensemble of demo models."""
    return {
        "description": "Demo models: not language models, here to try moakit without a key",
        "proposers": ["demo/planner", "demo/skeptic", "demo/storyteller"],
        "aggregator": "demo/editor",
    }


def by_size(models: Sequence[str]) -> list[str]:
    """Return models smallest first, by the billions of parameters in their names; unknown ones first."""

    def size(name: str) -> float:
        sizes = re.findall(r"(\d+(?:\.\d+)?)b\b", name.lower())
        return max(map(float, sizes), default=0.0)

    return sorted(models, key=size)
