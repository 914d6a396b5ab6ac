"""What an event loop remembers of each model it asks: one breaker, one retry budget, one pace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from moakit.models.loops import forget_closed
from moakit.policies.breaker import Breaker
from moakit.policies.hedge import Hedge
from moakit.policies.limits import limiter_for
from moakit.policies.retry_budget import RetryBudget

if TYPE_CHECKING:
    from moakit.models.base import Model
    from moakit.policies.limits import Limiter

_routes: WeakKeyDictionary[asyncio.AbstractEventLoop, Routes] = WeakKeyDictionary()


class Route:
    """One model at one provider, as all runs of an event loop share it; `limiter` is the provider's."""

    __slots__ = ("breaker", "hedge", "limiter", "retries")

    def __init__(self, limiter: Limiter, failures: int) -> None:
        self.limiter = limiter
        self.breaker = Breaker(failures)
        self.retries = RetryBudget()
        self.hedge = Hedge()


class Routes:
    """The routes of one event loop."""

    __slots__ = ("__weakref__", "_known", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[object, ...], Route] = {}

    def to(self, model: Model) -> Route | None:
        """Return the route to a model; one without an endpoint has none."""
        endpoint = model.endpoint
        if endpoint is None:
            return None
        # The same provider with other limits is begun anew, as when a notebook's cell is run again.
        key = (
            model.name,
            endpoint.base_url,
            endpoint.api_key,
            endpoint.breaker,
            endpoint.requests_per_minute,
            endpoint.tokens_per_minute,
            endpoint.concurrency,
        )
        route = self._known.get(key)
        if route is None and (limiter := limiter_for(endpoint, self._loop)) is not None:
            route = self._known[key] = Route(limiter, endpoint.breaker)
        return route


def routes_of(loop: asyncio.AbstractEventLoop) -> Routes:
    """Return a loop's routes."""
    routes = _routes.get(loop)
    if routes is None:
        forget_closed(_routes)
        routes = _routes[loop] = Routes(loop)
    return routes
