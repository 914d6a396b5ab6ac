"""What a call costs, and how large a model's window is, where that is known."""

from __future__ import annotations

import importlib.util
import threading
from functools import lru_cache
from typing import Any

from moakit.models.providers import Endpoint, Price
from moakit.types import Usage

MILLION = 1_000_000


def cost(endpoint: Endpoint, model: str, usage: Usage, reported: float | None = None) -> float | None:
    """Return dollars for one call; None when the price or the tokens are unknown, 0 for local models.

    A configured price comes first, then what the provider `reported`, then the public price list.
    """
    price = price_of(endpoint, model)
    if price is not None:
        # Not every provider counts cached tokens as part of the prompt's, and no call earns money.
        reused = min(usage.cached_tokens, usage.prompt_tokens)
        fresh = usage.prompt_tokens - reused
        cached = price.input if price.cached is None else price.cached
        total = fresh * price.input + reused * cached + usage.completion_tokens * price.output
        return total / MILLION if usage.total_tokens or not (price.input or price.output) else None
    if reported is not None and reported > 0:
        # A 0 says as often that a proxy has no price as that the model is free.
        return reported
    provider = endpoint.quirks.prices
    if not usage.total_tokens or provider is None or not _listed(provider, model):
        return None
    return _from_list(provider, model, usage)


def price_of(endpoint: Endpoint, model: str) -> Price | None:
    """Return the configured price of a model, 0 for a local one, None when there is none."""
    if isinstance(endpoint.price, Price):
        return endpoint.price
    if endpoint.price is not None and model in endpoint.price:
        return endpoint.price[model]
    # Ollama lists models that run in its cloud beside those that run here.
    if endpoint.local and not model.endswith(("-cloud", ":cloud")):
        return Price(0, 0)
    return None


def may_cost(endpoint: Endpoint | None, model: str) -> bool:
    """Say whether a call to this model can cost anything, as far as is known."""
    if endpoint is None:
        return False
    price = price_of(endpoint, model.partition("/")[2])
    return price is None or bool(price.input or price.output)


def priced(endpoint: Endpoint, model: str) -> bool:
    """Say whether a call to this model will have a cost."""
    if price_of(endpoint, model) is not None:
        return True
    return endpoint.quirks.prices is not None and _listed(endpoint.quirks.prices, model)


def window(endpoint: Endpoint, model: str) -> int | None:
    """Return the model's context window in tokens, None when unknown."""
    if endpoint.quirks.prices is None:
        return None
    known = _known(endpoint.quirks.prices, model)
    return None if known is None else known.context_window


def loaded() -> bool:
    """Say whether the price list is there already."""
    return _snapshot.cache_info().currsize > 0


def warm(endpoint: Endpoint) -> None:
    """Load the price list in the background, so that no call waits for its slow import."""
    if endpoint.quirks.prices is not None and endpoint.price is None and _installed():
        threading.Thread(target=_snapshot, daemon=True, name="moakit-prices").start()


@lru_cache(maxsize=1)
def _installed() -> bool:
    return importlib.util.find_spec("genai_prices") is not None


@lru_cache(maxsize=1)
def _snapshot() -> Any:
    from genai_prices import data_snapshot

    return data_snapshot.get_snapshot()


@lru_cache(maxsize=1024)
def _known(provider: str, model: str) -> Any | None:
    if not _installed():
        return None
    try:
        return _snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None


def _listed(provider: str, model: str) -> bool:
    """Say whether the public list has a price for a model; of some it has the name alone."""
    known = _known(provider, model)
    if known is None:
        return False
    listed = known.prices
    return isinstance(listed, list) or listed.input_mtok is not None or listed.output_mtok is not None


def _from_list(provider: str, model: str, usage: Usage) -> float | None:
    from genai_prices import Usage as Tokens

    tokens = Tokens(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cached_tokens or None,
    )
    try:
        return float(_snapshot().calc(tokens, model, provider, None, None, None).total_price)
    except (LookupError, ValueError):
        return None
