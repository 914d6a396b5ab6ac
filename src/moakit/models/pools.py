"""Connection pools: one per event loop and endpoint, opened at the first call, closed with the loop."""

from __future__ import annotations

import asyncio
import atexit
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from moakit.models.loops import forget_closed

if TYPE_CHECKING:
    import aiohttp

    from moakit.models.providers import Endpoint

_Headers = tuple[tuple[str, str], ...]
_Pools = dict[tuple[str, str, str | None, float, _Headers], "Pool"]
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()
_guards: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()


class Pool:
    """The connections to one endpoint, with the proxy that the environment names for it."""

    __slots__ = ("loop", "proxy", "session")

    def __init__(self, session: aiohttp.ClientSession, proxy: str | None) -> None:
        self.session = session
        self.proxy = proxy
        self.loop = asyncio.get_running_loop()

    def serves(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether it can be used on this event loop."""
        return self.loop is loop and not self.session.closed


async def pool_for(endpoint: Endpoint, headers: Mapping[str, str] | None = None) -> Pool:
    """Return the running loop's pool for an endpoint, opened now if it was not.

    `headers` are sent with every request of the pool: aiohttp merges them once, not for each.
    """
    loop = asyncio.get_running_loop()
    pools = _pools.get(loop)
    if pools is None:
        _abandon()
        pools = _pools[loop] = {}
        _guards[loop] = guard = _guard(pools)
        # A started asynchronous generator is closed by the loop when asyncio.run ends, and the pools with it.
        await anext(guard)
    sent = tuple((headers or {}).items())
    identity = (*endpoint.identity, endpoint.connect, sent)
    pool = pools.get(identity)
    if pool is None:
        pool = pools[identity] = _open(endpoint, sent)
    return pool


async def close() -> None:
    """Close the running loop's pools."""
    guard = _guards.pop(asyncio.get_running_loop(), None)
    if guard is not None:
        await guard.aclose()


async def _guard(pools: _Pools) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _pools.pop(asyncio.get_running_loop(), None)
        for pool in pools.values():
            await pool.session.close()
        pools.clear()


def _abandon() -> None:
    """Let go of the pools of loops that were closed without closing them."""
    forget_closed(_guards)
    for pools in forget_closed(_pools):
        for pool in pools.values():
            # Closing does not wait on such a loop, so that one step is all of it.
            closing = pool.session.close()
            with suppress(StopIteration, RuntimeError):
                closing.send(None)
            closing.close()


@atexit.register
def _close_the_rest() -> None:
    """Close the pools of loops that were left as they were when the process ends."""
    _abandon()
    for reference in _guards.keyrefs():
        loop = reference()
        guard = None if loop is None or loop.is_running() else _guards.pop(loop, None)
        if loop is not None and guard is not None:
            with suppress(RuntimeError):
                loop.run_until_complete(guard.aclose())


def _open(endpoint: Endpoint, headers: _Headers) -> Pool:
    import aiohttp
    from multidict import CIMultiDict

    from moakit.models.connector import Connector

    connector = Connector(patience=endpoint.connect, limit=0, ttl_dns_cache=300, keepalive_timeout=30)
    sent = CIMultiDict({"User-Agent": "moakit"})
    sent.update(headers)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers=sent,
    )
    return Pool(session, proxy_for(endpoint.base_url))


def proxy_for(url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return proxy if proxy and proxy.startswith("http") else None
