"""Whatever a provider does, nothing a client or the log of the server gets to see has a secret in it."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.models.scripted import answer, stream
from tests.security.canaries import HEADER, PROVIDER_KEY, SERVER_KEY, leaks, userinfo
from tests.security.echoing import echoing
from tests.security.faults import every_fault
from tests.server.hosting import configured, hosted
from tests.upstream import Upstream

EXTRA = {"timeout": 0.4, "temperature": 0.5}
FAULTS = every_fault()
ECHO = f"Authorization: Bearer {PROVIDER_KEY}, a: {HEADER}"
ECHOES = {
    "refusal": answer(json.dumps({"error": {"message": ECHO, "code": ECHO}}).encode(), status="400 No"),
    "key": answer(json.dumps({"error": {"message": ECHO, "code": ECHO}}).encode(), status="401 No"),
    "busy": answer(json.dumps({"error": {"message": ECHO, "type": ECHO}}).encode(), status="429 No"),
    "error200": answer(json.dumps({"error": {"message": ECHO}}).encode()),
    "event": stream(json.dumps({"error": {"message": ECHO, "code": ECHO}}).encode()),
    "page": answer(ECHO.encode(), Content_Type="text/html"),
    "header": b"HTTP/1.1 200 OK\r\n" + ECHO.replace(":", "").encode() + b"\r\n\r\n",
}


def ways(model: str):
    """Yield the requests that make all there is to be seen of an ensemble."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    for path in ("/v1/chat/completions", "/openwebui/v1/chat/completions"):
        yield path, body
        yield path, {**body, "stream": True, "stream_options": {"include_usage": True}}
        yield path, {**body, "stream": True, "moa": {"events": True}}


def providers(base_url: str) -> dict[str, object]:
    shared = {"headers": {"a": HEADER}, "price": 0}
    return {
        "lab": {"base_url": base_url, "api_key": "${LAB_KEY}", **shared},
        "door": {"base_url": userinfo(base_url), **shared},
    }


def served(upstream, config):
    """Make every request there is; return what was answered, as one text each."""
    with hosted(config, overrides=True) as server, ThreadPoolExecutor(48) as pool:
        requests = [(path, body) for name in config for path, body in ways(name)]
        chats = [pool.submit(server.request, "POST", path, body, key=SERVER_KEY) for path, body in requests]
        told = {(path, str(body)): sent for (path, body), sent in zip(requests, chats, strict=True)}
        told = {what: sent.result() for what, sent in told.items()}
        for path in (
            "/v1/models",
            "/openwebui/v1/models",
            f"/v1/models/{next(iter(config))}",
            "/livez",
            "/no",
        ):
            told[path, "GET"] = server.request("GET", path, key=SERVER_KEY)
        told["/v1/models", "no key"] = server.request("GET", "/v1/models", key=f"{SERVER_KEY[:-1]}x")
        moa = {"aggregator": "lab/a", "proposers": ["door/b", "nobody/c"]}
        body = {"model": next(iter(config)), "messages": [{"role": "user", "content": "hi"}], "moa": moa}
        told["/v1", "override"] = server.request("POST", "/v1/chat/completions", body, key=SERVER_KEY)
    return told


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("uvicorn", "uvicorn.error", "asyncio", "aiohttp", "moakit"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def test_no_secret_is_in_an_answer_or_the_log(log):
    with Upstream.in_thread() as up:
        names = {f"f{number}": fault for number, fault in enumerate(FAULTS)}
        up.behaves.update(names)
        ensembles = {}
        for name in names:
            faulty = {"model": f"lab/{name}", **EXTRA}
            other = {"model": f"door/{name}", **EXTRA}
            rest = {"retries": 0, "grace": 0.4}
            ensembles[f"before-{name}"] = {
                "proposers": [faulty, "door/one"],
                "aggregator": "lab/lead",
                **rest,
            }
            ensembles[f"after-{name}"] = {"proposers": ["lab/one", "door/one"], "aggregator": other, **rest}
        config = configured(
            up, providers=providers(up.base_url), environ={"LAB_KEY": PROVIDER_KEY}, keys=[SERVER_KEY],
            ensembles=ensembles, default="after-f0",
        )  # fmt: skip
        told = served(up, config)
        sent = [call.headers for call in up.calls]
        assert {call.model for call in up.calls} >= set(names)
    seen = {
        what: found for what, reply in told.items() if (found := leaks(reply.body, *reply.headers.items()))
    }
    assert not seen
    assert {reply.status for reply in told.values()} >= {200, 401, 404, 502, 504}
    assert not leaks(log.text, *(record.__dict__ for record in log.records))
    assert leaks(*sent) >= {PROVIDER_KEY[:8], HEADER[:8]}


@pytest.mark.parametrize("echo", ECHOES)
def test_what_a_provider_sends_back_goes_no_further(log, echo):
    with Upstream.in_thread() as up, echoing(ECHOES[echo]) as mirror:
        ensembles = {
            "before": {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "retries": 0},
            "solo": {"layers": ["lab/one"], "retries": 0},
            "lost": {"proposers": ["lab/one"], "aggregator": "sound/lead", "retries": 0},
        }
        config = configured(
            up, providers={**providers(mirror), "sound": {"base_url": up.base_url}}, keys=[SERVER_KEY],
            environ={"LAB_KEY": PROVIDER_KEY}, ensembles=ensembles, default="before", passthrough=True,
        )  # fmt: skip
        told = served(up, config)
    seen = {
        what: found for what, reply in told.items() if (found := leaks(reply.body, *reply.headers.items()))
    }
    assert not seen
    assert not leaks(log.text, *(record.__dict__ for record in log.records))
