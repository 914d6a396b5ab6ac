"""A provider as users make one in Python: called with a model's name, it gives an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moakit.errors import ConfigError
from moakit.layers.agent import Agent
from moakit.models.openai import OpenAIModel
from moakit.models.providers import Endpoint, Price, checked_url


class Provider:
    """A named OpenAI-compatible endpoint: base URL, key, limits.

    `price` is in dollars per million tokens, a `Price`, a number for both directions, or a mapping of model
    names; `context_length` is how many tokens a model takes, a number or a mapping of model names as well;
    `timeout` and `connect` are in seconds; `requests_per_minute`, `tokens_per_minute` and `concurrency` hold
    for all runs together; `breaker` is how many calls of a model may fail in a row before it is left alone
    for a moment, 0 for any number.

    >>> lab = Provider("lab", base_url="http://127.0.0.1:8080/v1", api_key="secret")
    >>> lab
    Provider('lab', base_url='http://127.0.0.1:8080/v1', api_key='***')
    >>> lab("gemma", temperature=0.3)
    Agent('lab/gemma', temperature=0.3)
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        price: Price | float | Mapping[str, Price | float] | None = None,
        context_length: int | Mapping[str, int] | None = None,
        timeout: float | None = None,
        connect: float = 5.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        concurrency: int | None = None,
        breaker: int = 5,
    ) -> None:
        self.endpoint = Endpoint(
            name=name,
            base_url=checked_url(name, base_url),
            api_key=api_key,
            headers=dict(headers or {}),
            price=_price(price),
            context_length=_length(name, context_length),
            timeout=timeout,
            connect=connect,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            concurrency=concurrency,
            breaker=breaker,
        )

    def __call__(self, model: str, **settings: Any) -> Agent:
        """Return an agent of this provider's model; the settings are those of `Agent`."""
        return Agent(OpenAIModel(self.endpoint, model), **settings)

    def __repr__(self) -> str:
        return repr(self.endpoint).replace(type(self.endpoint).__name__, type(self).__name__, 1)


def _price(price: Price | float | Mapping[str, Price | float] | None) -> Price | Mapping[str, Price] | None:
    if price is None or isinstance(price, Price):
        return price
    if isinstance(price, Mapping):
        return {name: one if isinstance(one, Price) else Price(one, one) for name, one in price.items()}
    return Price(price, price)


def _length(provider: str, length: int | Mapping[str, int] | None) -> int | Mapping[str, int] | None:
    lengths = length.values() if isinstance(length, Mapping) else () if length is None else (length,)
    for one in lengths:
        if isinstance(one, bool) or not isinstance(one, int) or one < 1:
            raise ConfigError(
                f"provider {provider!r}: context_length = {one!r} is not a whole number, 1 or more"
            )
    return dict(length) if isinstance(length, Mapping) else length
