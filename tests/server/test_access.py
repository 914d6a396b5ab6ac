"""Who may use the server, and where it may listen."""

import socket

import openai
import pytest
from starlette.routing import Route

from moakit.errors import ConfigError
from moakit.server.app import create_app
from tests.processes import moa
from tests.server.hosting import asked, configured
from tests.server.serving import KEY

OPEN = {"/livez", "/readyz"}


async def test_every_address_but_the_probes_asks_for_a_key(up):
    app = create_app(configured(up))
    paths = set()
    for route in app.routes:
        assert isinstance(route, Route), f"{route!r} needs a case of its own here"
        path = route.path.replace("{id:path}", "panel")
        paths.add(path)
        for method in route.methods or {"GET"}:
            reply = await asked(app, method, path, key=None)
            if path in OPEN:
                assert reply.status == 200
            else:
                assert reply.status == 401, (method, path)
                assert reply.headers["www-authenticate"] == "Bearer"
                assert reply.error["code"] == "invalid_api_key"
    assert {"/v1/chat/completions", "/v1/models", *OPEN} <= paths


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/livez/", "//livez", "/livez/../v1/models", "/LIVEZ", "/v1"]
)
async def test_an_address_that_is_not_there_asks_for_a_key_first(up, path):
    app = create_app(configured(up))
    assert (await asked(app, "GET", path, key=None)).status == 401
    assert (await asked(app, "GET", path)).status == 404


def test_pages_of_other_origins_are_given_nothing(served):
    for method, key, status in (("GET", KEY, 200), ("OPTIONS", KEY, 405), ("OPTIONS", None, 401)):
        headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
        reply = served.request(method, "/v1/models", key=key, headers=headers)
        assert reply.status == status
        assert not any(name.startswith("access-control") for name in reply.headers)


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer wrong",
        b"Bearer " + KEY.encode() + b"x",
        b"Bearer",
        b"Bearer ",
        b"",
        KEY.encode(),
        b"Basic " + KEY.encode(),
        b"Bearer \xff\xfe\xe9",
        "Bearer clé-ключ-🔑".encode(),
        b"Bearer " + b"x" * 10_000,
    ],
)
def test_any_other_authorization_is_a_401(served, header):
    reply = served.request("GET", "/v1/models", key=None, headers={"authorization": header.decode("latin-1")})
    assert reply.status == 401 and reply.error["type"] == "authentication_error"


def test_each_of_the_keys_is_accepted(served):
    for header in (f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY} ", "Bearer another key"):
        assert served.request("GET", "/v1/models", key=None, headers={"authorization": header}).status == 200


async def test_a_key_beyond_ascii_works_as_its_bytes(up):
    app = create_app(configured(up, keys=["clé-🔑"]))
    assert (await asked(app, "GET", "/v1/models", key="clé-🔑")).status == 200
    assert (await asked(app, "GET", "/v1/models", key="clé-🔐")).status == 401


async def test_without_keys_none_is_asked_for(up):
    app = create_app(configured(up, keys=[]))
    assert (await asked(app, "GET", "/v1/models", key=None)).status == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": openai.Omit()}])
def test_the_official_client_raises_an_authentication_error(served, headers):
    with (
        openai.OpenAI(base_url=served.base_url, api_key="wrong-key-1") as client,
        pytest.raises(openai.AuthenticationError, match="Authorization: Bearer") as caught,
    ):
        client.models.list(extra_headers=headers)
    assert caught.value.code == "invalid_api_key" and "wrong-key-1" not in str(caught.value)


@pytest.mark.parametrize("keys", [[""], ["good", " "]])
def test_an_empty_key_is_refused_when_the_server_is_configured(up, keys):
    with pytest.raises(ConfigError, match=r"server\.keys"):
        configured(up, keys=keys)


PLAIN = '[ensembles.x]\nmodel = "demo/planner"\n'


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "127.example.com", "example.com"])
def test_an_address_that_others_reach_needs_a_key(tmp_path, host):
    (tmp_path / "moa.toml").write_text(PLAIN)
    done = moa("serve", "--host", host, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {host} can be reached from other machines, and the server has no key\n"
        "hint: set server.keys, or say --no-key\n"
    )


def test_an_unset_server_key_is_an_error_and_never_no_key(tmp_path):
    (tmp_path / "moa.toml").write_text(PLAIN + '[server]\nhost = "0.0.0.0"\nkeys = ["${MOA_SERVER_KEY}"]\n')
    for environ in ({}, {"MOA_SERVER_KEY": ""}):
        done = moa("serve", home=tmp_path, **environ)
        assert done.returncode == 2
        assert "server.keys[0]: ${MOA_SERVER_KEY} is " in done.stderr


def test_a_port_in_use_is_a_clear_error(tmp_path):
    (tmp_path / "moa.toml").write_text(PLAIN)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = moa("serve", "--port", str(port), home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: 127.0.0.1:{port} cannot be bound: Address already in use\nhint: choose another with --port\n"
    )
