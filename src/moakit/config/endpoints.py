"""Making providers from configuration data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from moakit.config.checks import checked
from moakit.config.options import options_of
from moakit.config.schema import PriceConfig, ProviderConfig
from moakit.errors import ConfigError, nearest
from moakit.models.providers import PROVIDERS, Endpoint, Price, checked_url, find_endpoint, variable


def endpoint_from(name: str, table: Any, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of a `[providers.NAME]` table."""
    path = f"providers.{name}"
    given = checked(table, ProviderConfig, path)
    if "/" in name or not name:
        raise ConfigError(f"{path}: a provider's name has no slash")
    if given.base_url is None and name not in PROVIDERS and not environ.get(variable(name, "_BASE_URL")):
        raise ConfigError(
            f"{path}: base_url is missing", hint="only built-in providers have an address of their own"
        )
    known = name in PROVIDERS or bool(environ.get(variable(name, "_BASE_URL")))
    base = (
        find_endpoint(name, environ)
        if known
        else Endpoint(name=name, base_url="", api_key=environ.get(variable(name, "_API_KEY")))
    )
    changes = options_of(given, path, "price", "like", "base_url")
    if given.base_url is not None:
        changes["base_url"] = checked_url(name, given.base_url)
    if given.like is not None:
        if given.like not in PROVIDERS:
            near = nearest(given.like, PROVIDERS)
            raise ConfigError(
                f"{path}.like: unknown provider {given.like!r}",
                hint=f"did you mean {near!r}?" if near else f"known providers: {', '.join(PROVIDERS)}",
            )
        changes["quirks"] = PROVIDERS[given.like].quirks
        changes["local"] = PROVIDERS[given.like].local
    if given.price is not None:
        changes["price"] = _price(given.price, f"{path}.price")
    return msgspec.structs.replace(base, **changes)


def _price(price: Any, path: str) -> Price | dict[str, Price]:
    if isinstance(price, int | float):
        if not 0 <= price <= sys.float_info.max:
            raise ConfigError(f"{path}: {price} is not a number of at least 0")
        return Price(float(price), float(price))
    if "input" in price or "output" in price:
        given = checked(price, PriceConfig, path)
        return Price(given.input, given.output, given.cached)
    found: dict[str, Price] = {}
    for model, one in price.items():
        made = _price(one, f"{path}.{model}") if isinstance(one, int | float | dict) else None
        if not isinstance(made, Price):
            raise ConfigError(f"{path}.{model}: expected a number or a table with input and output")
        found[model] = made
    return found
