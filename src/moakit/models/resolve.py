"""From a `provider/model` name to the model."""

from __future__ import annotations

from collections.abc import Mapping

from moakit.models.base import Model
from moakit.models.demo import DemoModel
from moakit.models.openai import OpenAIModel
from moakit.models.providers import DEMO, Endpoint, find_endpoint, split_name


def find_model(
    name: str, endpoints: Mapping[str, Endpoint] | None = None, environ: Mapping[str, str] | None = None
) -> Model:
    """Return the model of this name, on one of these endpoints, a built-in provider, or the environment's.

    Raises `UnknownModel` with the nearest name.
    """
    provider, model = split_name(name)
    if endpoints is not None and provider in endpoints:
        return OpenAIModel(endpoints[provider], model, environ=environ)
    if provider == DEMO:
        return DemoModel(model)
    return OpenAIModel(find_endpoint(provider, environ, endpoints or ()), model, environ=environ)
