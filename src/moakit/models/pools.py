"""Connection pools: one per event loop and endpoint, opened at the first call, closed with the loop."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import aiohttp

    from moakit.models.providers import Endpoint

_Pools = dict[tuple[str, str, str | None, float], "Pool"]
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()
_guards: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()


class Pool:
    """The connections to one endpoint, with the proxy that the environment names for it."""

    __slots__ = ("proxy", "session")

    def __init__(self, session: aiohttp.ClientSession, proxy: str | None) -> None:
        self.session = session
        self.proxy = proxy


async def pool_for(endpoint: Endpoint) -> Pool:
    """Return the running loop's pool for an endpoint, opened now if it was not."""
    loop = asyncio.get_running_loop()
    pools = _pools.get(loop)
    if pools is None:
        _abandon()
        pools = _pools[loop] = {}
        _guards[loop] = guard = _guard(pools)
        # A started asynchronous generator is closed by the loop when asyncio.run ends, and the pools with it.
        await anext(guard)
    identity = (*endpoint.identity, endpoint.connect)
    pool = pools.get(identity)
    if pool is None:
        pool = pools[identity] = _open(endpoint)
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
    """Let go of the pools of loops that were closed, or never will be, without closing theirs."""
    for loop in list(_pools):
        if loop.is_closed() or (_ending and not loop.is_running()):
            _guards.pop(loop, None)
            for pool in _pools.pop(loop, {}).values():
                # On such a loop closing never waits, so one step is all of it.
                closing = pool.session.close()
                with suppress(StopIteration, RuntimeError):
                    closing.send(None)
                closing.close()


@atexit.register
def _end() -> None:
    _ending.append(True)
    _abandon()


def _open(endpoint: Endpoint) -> Pool:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # Name lookup, every address and TLS together; a connection that is reused does not pay for it.
        timeout=aiohttp.ClientTimeout(total=None, connect=endpoint.connect),
        headers={"User-Agent": "moakit"},
    )
    return Pool(session, _proxy(endpoint.base_url))


def _proxy(url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return proxy if proxy and proxy.startswith("http") else None
