"""The application inside this process: on a socket, or called as an ASGI server calls it."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import uvicorn

from moakit.config import Config
from moakit.server.app import create_app
from moakit.server.process import settings_for
from tests.server.serving import KEY, Reply, Served
from tests.upstream import Upstream

PANEL = {
    "proposers": ["lab/one", "lab/two", "lab/three"],
    "aggregator": "lab/lead",
    "retries": 0,
}


def configured(
    upstream: Upstream, *, ensembles: Mapping[str, Any] | None = None,
    providers: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None, layers: tuple[type, ...] = (), default: str = "panel",
    **server: Any,
) -> Config:  # fmt: skip
    """Return a configuration over an upstream, with the panel unless other ensembles are given."""
    lab = {"base_url": upstream.base_url, "api_key": "${LAB_KEY}", "price": 0}
    data = {
        "default": default,
        "providers": {"lab": lab, **(providers or {})},
        "ensembles": {"panel": PANEL} if ensembles is None else ensembles,
        "server": {"keys": [KEY], **server},
    }
    return Config(data, source="a test", environ={"LAB_KEY": "lab-key-1", **(environ or {})}, layers=layers)


@contextlib.contextmanager
def hosted(config: Config, **options: Any) -> Iterator[Served]:
    """Serve on a socket from a thread of this process."""
    app = create_app(config, **options)
    server = uvicorn.Server(settings_for(app, host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run, name="hosted", daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.002)
        listener = server.servers[0]
        yield Served(listener.sockets[0].getsockname()[1], load=app.load, loop=listener.get_loop())
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


async def asked(
    app: Any, method: str, path: str, body: object = b"", *, key: str | bytes | None = KEY,
    headers: Mapping[bytes, bytes] | None = None,
) -> Reply:  # fmt: skip
    """Call the application as an ASGI server would, and return what it sends."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = [*(headers or {}).items(), (b"content-length", str(len(data)).encode())]
    if key is not None:
        sent.append((b"authorization", b"Bearer " + (key if isinstance(key, bytes) else key.encode())))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": sent,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
    }  # fmt: skip
    messages = [{"type": "http.request", "body": data, "more_body": False}]
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await app(scope, receive, send)
    start = told[0]
    assert start["type"] == "http.response.start"
    assert not told[-1].get("more_body", False)
    got = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], got, b"".join(message.get("body", b"") for message in told[1:]))
