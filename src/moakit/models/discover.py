"""Finding the model servers that run on this machine."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from moakit.errors import BadResponse
from moakit.models.failures import redact
from moakit.models.fields import UNREADABLE, decoded
from moakit.models.pools import proxy_for
from moakit.models.providers import PROVIDERS, Endpoint, find_endpoint
from moakit.models.secrets import secrets_of

if TYPE_CHECKING:
    import aiohttp

PROBE = 0.25
"""Seconds all probes together may take."""
LIST_LIMIT = 16 * 1024 * 1024
"""The largest list of models taken, in bytes."""
LOCAL = ("ollama", "lmstudio", "llamacpp", "vllm")
OURS = "moakit"
"""The owner our own servers give their models; they are never used as upstreams by themselves."""

_NOT_CHAT = re.compile(
    r"embed|whisper|tts|rerank|guard|moderation|bge-|clip|stable-diffusion|dall-e", re.IGNORECASE
)


class Found(NamedTuple):
    """A server that answered, and its chat models."""

    endpoint: Endpoint
    models: tuple[str, ...]


async def probe(environ: Mapping[str, str] | None = None) -> list[Found]:
    """Ask the local servers for their models, all at once, for at most `PROBE` seconds."""
    import aiohttp

    environ = os.environ if environ is None else environ
    endpoints = [find_endpoint(name, environ) for name in LOCAL]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE)) as session:
        found = await asyncio.gather(*(_models(session, endpoint) for endpoint in endpoints))
    servers: dict[str, Found] = {}
    for endpoint, models in zip(endpoints, found, strict=True):
        if models:
            servers.setdefault(endpoint.base_url.replace("localhost", "127.0.0.1"), Found(endpoint, models))
    return list(servers.values())


async def list_models(
    endpoint: Endpoint, environ: Mapping[str, str] | None = None, *, within: float = 10.0
) -> tuple[str, ...]:
    """Return the models a provider lists; raises `OSError` or `ValueError` when it does not list any."""
    import aiohttp

    key = endpoint.key(environ)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=within)) as session:
        try:
            listed = await _ask(session, endpoint, key)
        except aiohttp.ClientError as error:
            # aiohttp's own error carries the request, and so its key; it quotes what it cannot read.
            raise OSError(redact(str(error), secrets_of(endpoint, key)) or type(error).__name__) from None
    return tuple(name for name, _ in listed)


async def _models(session: object, endpoint: Endpoint) -> tuple[str, ...]:
    import aiohttp

    try:
        listed = await _ask(session, endpoint, endpoint.key())
    except (aiohttp.ClientError, OSError, ValueError):
        return ()
    return tuple(name for name, owner in listed if owner != OURS and not _NOT_CHAT.search(name))


async def _ask(session: object, endpoint: Endpoint, key: str | None) -> list[tuple[str, str]]:
    """Return each model's name and owner."""
    import aiohttp

    if not isinstance(session, aiohttp.ClientSession):
        raise TypeError(session)
    headers = {**endpoint.headers, **({"Authorization": f"Bearer {key}"} if key else {})}
    proxy = proxy_for(endpoint.base_url)
    url = f"{endpoint.base_url}/models"
    async with session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}")
        try:
            listed = decoded(await _read(response))["data"]
            secrets = secrets_of(endpoint, key)
            return [(redact(str(one["id"]), secrets), str(one.get("owned_by"))) for one in listed]
        except (*UNREADABLE, BadResponse, KeyError, TypeError, AttributeError) as error:
            raise ValueError("the answer is not a list of models") from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a list; raises `ValueError` for one that no list of models is as long as."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > LIST_LIMIT:
            raise ValueError(f"the list of models is larger than {LIST_LIMIT} bytes")
    return bytes(body)


def keyed(environ: Mapping[str, str]) -> list[Endpoint]:
    """Return the hosted providers whose key is in the environment and for which models are suggested."""
    return [
        find_endpoint(name, environ)
        for name, endpoint in PROVIDERS.items()
        if endpoint.quirks.suggested and not endpoint.local and environ.get(endpoint.key_variable or "")
    ]
