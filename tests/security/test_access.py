"""Who gets in: by key alone, at every address, whatever else a request says."""

import ast
import asyncio
import inspect

import pytest
from starlette.routing import BaseRoute, Mount, Route

from moakit.server import process
from moakit.server.access import OPEN
from moakit.server.app import create_app
from tests.lab import up  # noqa: F401 - a fixture
from tests.processes import moa
from tests.security.sources import imported, trees
from tests.server.hosting import asked, configured
from tests.server.serving import KEY

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "XYZ")
LOCAL = b"127.0.0.1"
CLAIMS = [
    {b"host": b"localhost"},
    {b"host": b"127.0.0.1:6620"},
    {b"host": b"evil.example"},
    {b"host": b"livez"},
    {b"x-forwarded-for": LOCAL, b"x-forwarded-host": LOCAL, b"x-forwarded-proto": b"https"},
    {b"forwarded": b"for=127.0.0.1;host=localhost;proto=https"},
    {b"x-real-ip": LOCAL, b"client-ip": LOCAL, b"true-client-ip": LOCAL},
    {b"x-original-url": b"/livez", b"x-rewrite-url": b"/livez", b"x-forwarded-uri": b"/livez"},
    {b"x-forwarded-prefix": b"/livez", b"x-forwarded-path": b"/livez"},
    {b"x-http-method-override": b"GET", b"x-method-override": b"GET"},
    {b"x-forwarded-user": b"admin", b"remote-user": b"admin", b"cookie": b"session=1"},
    {b"referer": b"http://127.0.0.1:6620/", b"origin": b"http://127.0.0.1:6620"},
]
"""What a request may say of itself, none of which is believed."""


def addresses(routes: list[BaseRoute], before: str = "") -> set[str]:
    """Return an address for every route, those of mounted applications included."""
    found = set()
    for route in routes:
        if isinstance(route, Mount):
            found |= addresses(route.routes or [], before + route.path) | {f"{before}{route.path}/x"}
        else:
            # A web socket has no headers to ask a key by in a browser: whoever adds one decides how.
            assert isinstance(route, Route), f"{route!r}: say here how it asks for a key"
            found.add(before + route.path.replace("{id:path}", "panel"))
            assert "{" not in before + route.path.replace("{id:path}", ""), route.path
    return found


async def test_every_address_asks_for_a_key_whatever_the_method(up):  # noqa: F811
    app = create_app(configured(up))
    paths = addresses(app.routes)
    # Whoever opens an address decides it here as well.
    assert OPEN == {"/livez", "/readyz"} <= paths
    assert len(paths) >= 8
    for path in paths - OPEN | {"/", "/nothing", "/docs", "/openapi.json", "/metrics", "/static/x"}:
        for method in METHODS:
            for headers in ({}, {b"authorization": b"Bearer "}, {b"x-api-key": KEY.encode()}):
                reply = await asked(app, method, path, key=None, headers=headers)
                assert reply.status == 401, (method, path)
                assert reply.error["code"] == "invalid_api_key"


async def test_a_probe_tells_nothing_but_that_it_lives(up):  # noqa: F811
    app = create_app(configured(up))
    for path in OPEN:
        for method in METHODS:
            reply = await asked(app, method, path, key=None)
            assert (reply.status, len(reply.body) < 200) == (200 if method in ("GET", "HEAD") else 405, True)


@pytest.mark.parametrize(
    "path", ["/livez%2f..", "/livez?x", "/livez\x00", "/LIVEZ", "//readyz", "/readyz;x", "/livez/"]
)
async def test_what_is_almost_a_probe_is_none(up, path):  # noqa: F811
    assert (await asked(create_app(configured(up)), "GET", path, key=None)).status == 401


@pytest.mark.parametrize("claims", CLAIMS)
async def test_nothing_a_request_says_of_itself_opens_an_address(up, claims):  # noqa: F811
    app = create_app(configured(up))
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/nothing")):
        assert (await asked(app, method, path, key=None, headers=claims)).status == 401
    plain = await asked(app, "GET", "/v1/models")
    claimed = await asked(app, "GET", "/v1/models", headers=claims)
    assert (claimed.status, claimed.body, claimed.headers) == (200, plain.body, plain.headers)
    lost = await asked(app, "GET", "/v1/models/", headers=claims)
    assert not any(value.decode() in str(lost) for name, value in claims.items() if name == b"host")


@pytest.mark.parametrize("claims", CLAIMS)
async def test_nothing_a_request_says_of_itself_lets_it_change_an_ensemble(up, claims):  # noqa: F811
    app = create_app(configured(up, host="0.0.0.0"))
    body = {"model": "panel", "messages": [{"role": "user", "content": "hi"}], "moa": {"layers": 3}}
    reply = await asked(app, "POST", "/v1/chat/completions", body, headers=claims)
    assert (reply.status, reply.error["param"]) == (400, "moa")
    assert not up.calls


@pytest.mark.parametrize(
    "value", [b"\xff\xfe", "Bearer é".encode(), b"Bearer \x00", b"Bearer " + b"\xc3\x28" * 999, b"\x80"]
)
async def test_bytes_that_are_no_text_are_a_wrong_key(up, value):  # noqa: F811
    reply = await asked(
        create_app(configured(up)), "GET", "/v1/models", key=None, headers={b"authorization": value}
    )
    assert reply.status == 401


async def test_of_two_authorizations_the_wrong_one_is_not_saved_by_the_other(up):  # noqa: F811
    app = create_app(configured(up))
    wrong = {b"authorization": b"Bearer wrong"}
    assert (await asked(app, "GET", "/v1/models", headers=wrong)).status == 401


@pytest.mark.parametrize("path", ["/", "/v1/models", "/livez", "/v1/chat/completions"])
async def test_a_web_socket_is_closed(up, path):  # noqa: F811
    told = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        told.append(message["type"])

    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": [], "query_string": b"",
             "root_path": "", "scheme": "ws", "subprotocols": [], "asgi": {"version": "3.0"}}  # fmt: skip
    await asyncio.wait_for(create_app(configured(up))(scope, receive, send), 10)
    assert told == ["websocket.close"]


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.1.evil", "0", ""]
)
def test_a_configured_address_that_others_reach_needs_a_key(tmp_path, host):
    (tmp_path / "moa.toml").write_text(
        f'[ensembles.x]\nmodel = "demo/planner"\n[server]\nhost = "{host}"\nport = 0\n'
    )
    done = moa("serve", home=tmp_path)
    assert done.returncode == 2
    assert "can be reached from other machines, and the server has no key" in done.stderr


def test_uvicorn_believes_no_proxy_and_upgrades_nothing(up):  # noqa: F811
    settings = process.settings_for(create_app(configured(up)), host="127.0.0.1", port=0)
    assert not settings.proxy_headers
    assert not settings.server_header
    assert not settings.access_log
    assert settings.ws == "none"


def test_the_server_reads_neither_the_host_nor_what_a_proxy_adds():
    named = {"host", "forwarded", "x-real-ip", "x-original-url", "cookie"}
    for path, tree in trees("server"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value if isinstance(node.value, str) else node.value.decode()
                assert text.lower() not in named and not text.lower().startswith("x-forwarded"), (path, text)
            if isinstance(node, ast.Attribute):
                # What Starlette builds of the Host header; a parser's `self.url` is the path alone.
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                assert own or node.attr not in ("url", "base_url", "url_for", "client", "cookies"), (
                    path,
                    node.attr,
                )


def test_no_middleware_hides_that_a_client_left():
    for path, tree in trees():
        assert not [name for name in imported(tree) if name.startswith("starlette.middleware")], path


async def test_what_stands_before_the_addresses_is_plain_asgi(up):  # noqa: F811
    app = create_app(configured(up))
    assert list(inspect.signature(type(app).__call__).parameters) == ["self", "scope", "receive", "send"]
    starlette = next(one for one in vars(app).values() if hasattr(one, "user_middleware"))
    assert starlette.user_middleware == []


async def test_no_answer_lets_a_page_of_another_origin_in_or_is_taken_for_another_kind(up):  # noqa: F811
    app = create_app(configured(up))
    asks = {b"method": b"POST", b"headers": b"authorization", b"private-network": b"true"}
    origin = {b"access-control-request-" + name: value for name, value in asks.items()}
    origin[b"origin"] = b"http://evil.example"
    body = {"model": "panel", "messages": [{"role": "user", "content": "<script>alert(1)</script>"}]}
    replies = [
        await asked(app, method, path, body, key=key, headers=origin)
        for method in ("GET", "POST", "OPTIONS", "DELETE")
        for path in ("/v1/chat/completions", "/v1/models", "/v1/models/<script>", "/livez", "/<script>")
        for key in (KEY, None)
    ]
    replies.append(await asked(app, "POST", "/v1/chat/completions", {**body, "stream": True}, headers=origin))
    assert {reply.status for reply in replies} >= {200, 401, 404, 405}
    for reply in replies:
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert not reply.headers["content-type"].startswith("text/html")
        assert "set-cookie" not in reply.headers
