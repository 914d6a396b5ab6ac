"""A provider that sends back what it was sent: none of it is shown, whatever the provider wraps it in."""

import json
import logging
import time

import pytest

from moakit.errors import CallError, ConfigError
from moakit.events import to_mapping
from moakit.layers import Provider, Sequential
from moakit.models import discover
from moakit.models.failures import redact
from moakit.models.secrets import secrets_of
from tests.models.scripted import Scripted, answer, stream
from tests.security.canaries import BASIC, HEADER, PASSWORD, PROVIDER_KEY, USER, leaks, userinfo

ECHOES = {
    "header": f"Authorization: Bearer {PROVIDER_KEY}",
    "bare": PROVIDER_KEY,
    "quoted": f'"{PROVIDER_KEY}"',
    "starred": f"{PROVIDER_KEY[:8]}**********{PROVIDER_KEY[-8:]}",
    "dotted": f"{PROVIDER_KEY[:9]}...{PROVIDER_KEY[-4:]}",
    "tail": f"the key ending in {PROVIDER_KEY[-8:]}",
    "own header": f"x-team: {HEADER}",
    "basic": f"Authorization: Basic {BASIC}",
    "user": f"user {USER} is not known",
    "password": f"wrong password {PASSWORD}",
    "address": f"POST http://{USER}:{PASSWORD}@gateway/v1",
}
REFUSED = "401 Unauthorized", "400 Bad Request", "429 Too Many Requests", "500 Internal Server Error"


def objects(echo: str) -> dict[str, object]:
    """Return what may stand as a provider's error, with the echo in each of its places."""
    return {
        "message": {"message": echo, "type": "x", "code": "y"},
        "code": {"message": "no", "code": echo},
        "kind": {"message": "no", "type": echo},
        "detail": {"detail": [{"msg": "no", "input": {"headers": echo}}]},
        "text": echo,
        "nested": {"message": {"headers": {"authorization": echo}}},
        "numbered": {"message": echo, "code": 429},
        "window": {"message": f"maximum context length: {echo}", "code": "context_length_exceeded"},
    }


def answers(echo: str) -> dict[str, bytes]:
    """Return HTTP answers with the echo in every place one has."""
    found = {}
    for name, error in objects(echo).items():
        body = json.dumps({"error": error}).encode()
        for status in REFUSED:
            found[f"{status} {name}"] = answer(body, status=status)
        found[f"200 {name}"] = answer(body)
        found[f"choice {name}"] = answer(json.dumps({"choices": [{"error": error}]}).encode())
        found[f"event {name}"] = stream(body)
        found[f"choice of an event {name}"] = stream(json.dumps({"choices": [{"error": error}]}).encode())
    raw = echo.encode()
    for size in range(1960, 2010, 7):
        found[f"refusal cut at {size}"] = answer(b" " * size + raw + b"!" * 3000, status="500 No")
        found[f"page cut at {size}"] = answer(b" " * size + raw + b"!" * 3000, Content_Type="text/html")
    for size in (70, 90, 99, 280, 290, 299):
        found[f"shown cut at {size}"] = answer(b"-" * size + raw + b"!" * 3000, status="500 No")
        found[f"chunk cut at {size}"] = stream(b"-" * size + raw + b"!" * 3000)
    found["reason"] = b"HTTP/1.1 500 " + raw + b"\r\nContent-Length: 0\r\n\r\n"
    found["status line"] = b"HTTP/1.1 " + raw + b"\r\n\r\n"
    found["version"] = b"HTTP/" + raw + b" 200 OK\r\n\r\n"
    found["header line"] = b"HTTP/1.1 200 OK\r\n" + raw.replace(b":", b"") + b"\r\n\r\n"
    found["header name"] = b"HTTP/1.1 200 OK\r\n[" + raw + b"]: x\r\n\r\n"
    found["control"] = b"HTTP/1.1 200 OK\r\nx: \x00" + raw + b"\r\n\r\n"
    found["long header"] = b"HTTP/1.1 200 OK\r\nx: " + raw + b"-" * 20_000 + b"\r\n\r\n"
    found["length"] = b"HTTP/1.1 200 OK\r\nContent-Length: " + raw + b"\r\n\r\n"
    chunked = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    found["chunk size"] = b"HTTP/1.1 200 OK\r\n" + chunked + raw + b"\r\n"
    found["coding"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + raw + b"\r\n\r\n"
    found["compressed"] = answer(raw, Content_Encoding="gzip")
    found["kind of content"] = answer(raw, Content_Type=echo)
    found["location"] = answer(b"", status="302 Found", Location=f"http://127.0.0.1:1/{echo}")
    found["wait"] = answer(b"{}", status="429 No", Retry_After=echo, retry_after_ms=echo, x_should_retry=echo)
    return found


def echoed_to(echo: str, base_url: str) -> Provider:
    """Return a provider that was sent what comes back."""
    if echo in (ECHOES["basic"], ECHOES["user"], ECHOES["password"], ECHOES["address"]):
        return Provider("lab", base_url=userinfo(base_url), headers={"x-team": HEADER})
    return Provider("lab", base_url=base_url, api_key=PROVIDER_KEY, headers={"x-team": HEADER})


async def run_told(ensemble, events):
    async with ensemble.stream("hi") as run:
        async for event in run:
            events += [str(to_mapping(event))]
        return run.answer


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_nothing_that_was_sent_is_told_again(echo, streamed, caplog):
    caplog.set_level(logging.DEBUG)
    told = {}
    for name, reply in answers(echo).items():
        async with Scripted(reply, ends=True) as server:
            ensemble = Sequential(echoed_to(echo, server.base_url)("m", timeout=30), retries=0)
            events = []
            with pytest.raises(CallError) as caught:
                await (run_told(ensemble, events) if streamed else ensemble.run("hi"))
            if found := leaks(caught.value, *events, caplog.text):
                told[name] = found
            caplog.clear()
    assert not told


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_listing_models_tells_nothing_again_either(echo):
    told = {}
    for name, reply in answers(echo).items():
        async with Scripted(reply, ends=True) as server:
            with pytest.raises((OSError, ValueError)) as caught:
                await discover.list_models(echoed_to(echo, server.base_url).endpoint)
            if found := leaks(caught.value):
                told[name] = found
    assert not told


async def test_a_model_that_is_listed_under_the_key_is_not_shown_under_it():
    listed = answer(json.dumps({"data": [{"id": f"m-{PROVIDER_KEY}"}, {"id": "plain"}]}).encode())
    async with Scripted(listed) as server:
        endpoint = echoed_to("", server.base_url).endpoint
        assert await discover.list_models(endpoint) == ("***", "plain")


@pytest.mark.parametrize(
    "base_url",
    [
        f"{USER}:{PASSWORD}@host/v1",
        f"ftp://{USER}:{PASSWORD}@host/v1",
        f"http://{USER}:x@{PASSWORD}@:80/v1",
        f"http://{USER}:{PASSWORD} x@host/v1",
        f"http://{USER}/{PASSWORD}@ho st/v1",
        f"http://host/v1?key={PROVIDER_KEY}",
        f"http://host/v1#{PROVIDER_KEY}",
    ],
)
def test_an_address_that_is_refused_is_told_without_its_password(base_url):
    with pytest.raises(ConfigError) as caught:
        Provider("lab", base_url=base_url)
    assert not leaks(caught.value)


@pytest.mark.parametrize(
    "base_url", ["http://u:{}@host/v1", "http://u:a@{}@host/v1", "http://{}:u@[::1]:1/v1"]
)
def test_what_is_shown_of_a_provider_has_no_secret(base_url):
    lab = Provider("lab", base_url=base_url.format(PASSWORD), api_key=PROVIDER_KEY, headers={"a": HEADER})
    agent = lab("m")
    shown = [lab, lab.endpoint, agent, agent.bound, Sequential(agent), Sequential(agent).summary()]
    assert not leaks(
        *shown, *lab.endpoint.__rich_repr__(), agent.to_config(), secrets_of(lab.endpoint, PROVIDER_KEY)
    )


def test_a_long_text_is_redacted_in_no_time():
    secrets = secrets_of(Provider("lab", base_url="http://h/v1", api_key=PROVIDER_KEY).endpoint, PROVIDER_KEY)
    for text in ("x" * 2_000_000, "a@" * 1_000_000, "Bearer " * 300_000, "://" * 700_000, " " * 2_000_000):
        started = time.monotonic()
        redact(text, secrets)
        assert time.monotonic() - started < 1
