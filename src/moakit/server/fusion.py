"""An ensemble in the words of OpenRouter's `fusion` plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moakit.errors import InvalidRequest
from moakit.layers import Layer

FUSION = "fusion"
_KEYS = frozenset({"id", "enabled", "analysis_models", "model"})


def fusion_in(data: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, list[Any]]:
    """Return a request's `fusion` plugin, if it has one that is not switched off, and its other plugins."""
    plugins = data.get("plugins")
    if not isinstance(plugins, list):
        return None, []
    others = [plugin for plugin in plugins if not (isinstance(plugin, dict) and plugin.get("id") == FUSION)]
    found = [plugin for plugin in plugins if isinstance(plugin, dict) and plugin.get("id") == FUSION]
    if len(found) > 1:
        raise InvalidRequest("plugins has fusion twice", param="plugins")
    return next((plugin for plugin in found if plugin.get("enabled") is not False), None), others


def as_config(plugin: Mapping[str, Any], ensemble: Layer) -> dict[str, Any]:
    """Return the long form of what a plugin asks for, under the ensemble's settings.

    The analysis models propose; `model` compares what they say, then writes the answer. Raises
    `InvalidRequest`.
    """
    for key in plugin:
        if key not in _KEYS:
            raise InvalidRequest(f"plugins: fusion has no {key!r}", param=f"plugins.{key}")
    models, lead = plugin.get("analysis_models"), plugin.get("model")
    if not isinstance(models, list) or not models or not all(isinstance(model, str) for model in models):
        raise InvalidRequest(
            "plugins: analysis_models is not a list of models",
            param="plugins.analysis_models",
            hint="name them as provider/model",
        )
    if not isinstance(lead, str):
        raise InvalidRequest("plugins: model is not a model's name", param="plugins.model")
    named = {"name": ensemble.title} if ensemble.title else {}
    layers = [{"propose": models}, {"analyse": lead}, {"aggregate": lead}]
    return {**named, **ensemble.settings.to_config(), "layers": layers}
