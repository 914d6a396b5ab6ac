"""A request chooses words: where they go, with which key and headers, is the configuration's alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

import moakit
from moakit.errors import MoaError
from moakit.models import discover, pools
from moakit.models.providers import Endpoint
from tests.security.canaries import PROVIDER_KEY
from tests.security.echoing import echoing
from tests.server.hosting import configured, hosted
from tests.upstream import Upstream

FIELDS = (
    "base_url", "api_base", "api_key", "api_version", "url", "endpoint", "host", "headers", "extra_headers",
    "default_headers", "authorization", "Authorization", "proxy", "proxies", "http_proxy", "http_client",
    "organization", "extra_body", "extra_query", "user_config", "model_list", "fallbacks", "callbacks",
    "webhook", "file", "path", "config", "env", "layer", "key_variable", "providers", "like",
)  # fmt: skip
SENT_ALWAYS = {
    "host", "user-agent", "content-type", "content-length", "accept", "accept-encoding", "authorization",
    "x-team",
}  # fmt: skip
ONE, TWO = f"one-{PROVIDER_KEY}", f"two-{PROVIDER_KEY[::-1]}"


def places(field, value):
    """Return requests' fields with one field of the client's own in every place there is."""
    own = {field: value}
    parts = [
        {"type": "image_url", "image_url": {"url": value if isinstance(value, str) else "x:", **own}},
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav", **own}},
        {"type": "file", "file": {"file_data": value, **own}},
        {"type": "video_url", "video_url": {"url": value}, **own},
        {"type": "text", "text": f"${{LAB_KEY}} ![x]({value})", **own},
    ]
    user = {"role": "user", "content": "hi"}
    yield own
    yield {"extra_body": own}
    yield {"extra_body": {"extra_body": own}, "metadata": own, "stream_options": own, "stream": True}
    yield {"moa": own}
    yield {"moa": {"aggregator": {"model": "one/lead", **own}}}
    yield {"moa": {"aggregator": {"model": "one/lead", "extra": own}}}
    yield {
        "moa": {"proposers": [{"model": "two/x", **own}, {"model": "one/x", "extra": {"extra_body": own}}]}
    }
    yield {"moa": {"aggregator": {"model": "one/lead", "fallback": [{"model": "two/x", **own}]}}}
    yield {"moa": {"prompt": {"closing": "${LAB_KEY} {mark.__class__}", **own}}}
    yield {"moa": {"events": True, "deadline": 20, **own}, "stream": True}
    yield {"messages": [{**user, **own}]}
    for part in parts:
        yield {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, part]}]}
    yield {"tools": [{"type": "function", "function": {"name": "f", "parameters": own}, **own}]}
    yield {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": own}}}


@pytest.fixture
def decoy():
    with echoing() as mirror:
        yield mirror
        assert not mirror.connections


@pytest.fixture
def two():
    """Two providers with keys of their own, and what came to them."""
    with Upstream.in_thread() as one, Upstream.in_thread() as other:
        yield one, other


def config_over(one, other, **more):
    provider = {"headers": {"x-team": "blue-blue"}, "price": 0}
    return configured(
        one,
        environ={"ONE_KEY": ONE, "TWO_KEY": TWO},
        providers={
            "one": {"base_url": one.base_url, "api_key": "${ONE_KEY}", **provider},
            "two": {"base_url": other.base_url, "api_key": "${TWO_KEY}", **provider},
        },
        **{
            "ensembles": {"panel": {"proposers": ["one/a", "two/b"], "aggregator": "one/lead", "retries": 0}},
            **more,
        },
    )


def check_calls(upstream, key):
    for call in upstream.calls:
        assert call.path == "/v1/chat/completions"
        assert call.headers.keys() <= SENT_ALWAYS, call.headers
        assert call.headers["authorization"] == f"Bearer {key}"
        assert call.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert call.headers["x-team"] == "blue-blue"
        assert b"lab-key-1" not in call.raw and ONE.encode() not in call.raw and TWO.encode() not in call.raw


@pytest.mark.parametrize("overrides", [True, False], ids=["overrides", "plain"])
def test_no_field_of_a_request_leads_anywhere_else(two, decoy, tmp_path, overrides):
    secret = tmp_path / "secret.txt"
    secret.write_text("what stands in this file")
    values = [
        str(decoy), secret.as_uri(), str(secret), f"{decoy}?x=http://169.254.169.254/latest/meta-data",
        {"Authorization": "Bearer stolen", "url": str(decoy), "X-Evil": "1"}, [str(decoy)],
    ]  # fmt: skip
    plain = {"model": "panel", "messages": [{"role": "user", "content": "hi"}]}
    bodies = [
        {**plain, **fields} for field, value in product(FIELDS, values) for fields in places(field, value)
    ]
    bodies = list({json.dumps(body): body for body in bodies}.values())[:: 3 if overrides else 5]
    assert len(bodies) > 500
    app = config_over(*two, passthrough=True)
    with hosted(app, overrides=overrides) as server, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda body: server.request("POST", "/v1/chat/completions", body), bodies))
    assert {reply.status for reply in replies} <= {200, 400}
    assert {reply.status for reply in replies} == {200, 400}
    check_calls(two[0], ONE)
    check_calls(two[1], TWO)
    assert not any(b"what stands in this file" in call.raw for upstream in two for call in upstream.calls)


@pytest.mark.parametrize("stream", [False, True])
def test_no_name_of_a_model_leads_anywhere_else(two, decoy, stream):
    names = [
        str(decoy), f"{decoy}/x", f"one/{decoy}", "one/../../../x", "one/a?x=1#y", "one/a\r\nX-Evil: 1",
        "one/a@evil", "decoy/x", "../one/x", "one", "/", "file:///etc/passwd", "${ONE_KEY}/x",
        "one/${ONE_KEY}", "openai/x", "PATH/x",
    ]  # fmt: skip
    with hosted(config_over(*two, passthrough=True), overrides=True) as server:
        statuses = {name: server.chat(name, stream=stream).status for name in names}
    assert statuses["one/../../../x"] == statuses[f"one/{decoy}"] == 200
    assert statuses["openai/x"] == statuses["decoy/x"] == statuses[str(decoy)] == 404
    check_calls(two[0], ONE)
    assert not two[1].calls


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_goes_to_its_own_provider_even_from_fallback_to_fallback(two, stream):
    faulty = {
        "model": "one/reset",
        "fallback": ["two/status:503", "one/status:401", "two/sound"],
        "temperature": 0,
    }
    ensembles = {"panel": {"proposers": [faulty, "two/b"], "aggregator": faulty, "retries": 1}}
    with hosted(config_over(*two, ensembles=ensembles)) as server:
        assert server.chat(stream=stream).status == 200
    for upstream, key, models in zip(
        two, (ONE, TWO), ({"reset", "status:401"}, {"status:503", "sound", "b"}), strict=True
    ):
        check_calls(upstream, key)
        assert {call.model for call in upstream.calls} == models


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_redirect_is_not_followed(decoy, status, streamed):
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {decoy}/chat/completions\r\nRefresh: 0; url={decoy}\r\n"
    head += f'Alt-Svc: http="{str(decoy)[7:-3]}"\r\nProxy-Connect: {decoy}\r\nContent-Length: 0\r\n\r\n'
    with echoing(head.encode()) as server:
        lab = moakit.Provider("lab", base_url=server, api_key=PROVIDER_KEY)
        ensemble = moakit.Sequential(lab("m"), retries=0)
        with pytest.raises(MoaError, match=f"HTTP {status}"):
            await (text_of(ensemble) if streamed else ensemble.run("hi"))
        with pytest.raises(ValueError, match=f"HTTP {status}"):
            await discover.list_models(lab.endpoint)
        assert len(server.requests) == 2


async def text_of(ensemble):
    async with ensemble.stream("hi") as stream:
        return "".join([text async for text in stream.text])


PROXIED = "http://models.example/v1"


@pytest.mark.parametrize(
    ("variable", "base_url", "used"),
    [
        ("HTTP_PROXY", PROXIED, True),
        ("http_proxy", PROXIED, True),
        ("HTTPS_PROXY", PROXIED, False),
        ("ALL_PROXY", PROXIED, False),
        ("HTTP_PROXY", "http://127.0.0.1:1/v1", False),
        ("HTTP_PROXY", "http://localhost:1/v1", False),
        ("HTTP_PROXY", "http://[::1]:1/v1", False),
        ("FTP_PROXY", PROXIED, False),
    ],
)
async def test_a_proxy_is_the_one_the_environment_names_for_what_is_not_here(
    monkeypatch, variable, base_url, used
):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, "http://proxy.example:3128")
    endpoint = Endpoint(name="far", base_url=base_url)
    assert ((await pools.pool_for(endpoint)).proxy == "http://proxy.example:3128") is used
    await moakit.aclose()
    monkeypatch.setenv("NO_PROXY", "models.example")
    assert (await pools.pool_for(endpoint)).proxy is None
    await moakit.aclose()


async def test_a_proxy_is_sent_a_request_and_no_other_provider_is(monkeypatch, decoy):
    sound = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
    reply = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(sound)
        + sound
    )
    with echoing(reply) as proxy:
        monkeypatch.setenv("HTTP_PROXY", str(proxy).removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        answer = await moakit.Provider("far", base_url=PROXIED, api_key=PROVIDER_KEY)("m").run("hi")
        assert answer.text == "hi"
        assert proxy.requests[0].startswith(b"POST http://models.example/v1/chat/completions ")
        with pytest.raises(ValueError, match="not a list of models"):
            await discover.list_models(Endpoint(name="far", base_url=PROXIED))
        assert proxy.requests[1].startswith(b"GET http://models.example/v1/models ")
    await moakit.aclose()


async def test_a_netrc_lends_no_key(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("default login evil password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with Upstream() as up:
        await moakit.Provider("lab", base_url=up.base_url)("m").run("hi")
        await discover.list_models(Endpoint(name="lab", base_url=up.base_url))
        assert len(up.calls) == 2
        assert not any("authorization" in call.headers for call in up.calls)
        await moakit.aclose()
