"""Requests that are no requests (F26)."""

import asyncio
import contextlib
import io
import json
import re

import hypothesis
from hypothesis import strategies as st

import moakit
from moakit.server import requests
from moakit.server.app import create_app
from tests.faults.card import row
from tests.faults.case import USER, Case, Server
from tests.server.hosting import asked, configured
from tests.server.serving import KEY
from tests.server.test_bodies import FINE, HEAD, ODD
from tests.server.test_generated_bodies import BODY, ENSEMBLES, MESSAGE, QUESTION

LIMIT = 8 * 1024 * 1024
BYTES = st.binary(max_size=60)
MESSAGES = st.fixed_dictionaries(
    {
        "model": st.just("panel"),
        "messages": st.builds(lambda message: [QUESTION, message], MESSAGE),
        "stream": st.booleans(),
    }
)
REQUESTS = st.one_of(BODY, BODY, MESSAGES).map(lambda body: json.dumps(body).encode()) | BYTES


async def raw(server: Server, data: bytes, *, close: bool = False) -> int:
    """Send bytes; the status that comes back, 0 if none does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
            if close:
                return 0
            answer = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return 0
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return int(answer.split(b" ")[1])


@row(
    "F26",
    "bodies too large, chunked without length, lying length, never sent; 200,000 nested brackets; "
    "5,000-digit integers; NaN; lone surrogates; duplicate keys; 100,000 messages; unknown fields",
    "413, 408 or 400 in OpenAI's error shape; no 500 in 10,000 generated cases",
    busy=True,
)
async def bodies(case: Case) -> str:
    panel = {"proposers": ["lab/one", "lab/two", "lab/three"], "aggregator": "lab/lead", "retries": 0}
    server = await case.serve({"panel": panel}, max_body=LIMIT)
    head = re.sub(rb"Bearer \S+", f"Bearer {KEY}".encode(), HEAD.encode())
    usual = requests.BODY_TIMEOUT
    requests.BODY_TIMEOUT = case.seconds(usual, least=0.5)
    try:
        never = asyncio.create_task(raw(server, head + b"content-length: 1000\r\n\r\n"))
        await wire(case, server, head)
        await listed(case, server)
        generated = await asyncio.to_thread(generate, case, case.count(10_000, least=200))
        case.holds(f"a body that never comes is a {await never}", await never == 408)
    finally:
        requests.BODY_TIMEOUT = usual
    worst = {
        status: count for status, count in generated.items() if status != 200 and not 400 <= status < 500
    }
    case.holds(f"generated cases were answered with {worst}", not worst)
    total, good = sum(generated.values()), generated.get(200, 0)
    return f"{sum(worst.values())} of {total:,} generated cases ended in a 5xx, {good:,} were answered"


async def wire(case: Case, server: Server, head: bytes) -> None:
    """Bodies whose size is not what it should be."""
    chunk = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
    statuses = {
        "a length above the limit": await raw(server, head + b"content-length: %d\r\n\r\n" % (LIMIT + 1)),
        "chunks without end": await raw(server, head + b"transfer-encoding: chunked\r\n\r\n" + chunk * 20),
        "a length beyond numbers": await raw(server, head + b"content-length: 1" + b"0" * 5000 + b"\r\n\r\n"),
        "less than the length": await raw(server, head + b"content-length: 500\r\n\r\n{", close=True),
    }
    expected = {413, 400}
    for name, status in statuses.items():
        allowed = {0} if name == "less than the length" else expected
        case.holds(f"{name}: {status}", status in allowed)
    body = json.dumps({"model": "panel", "messages": USER}).encode()
    told = await raw(
        server, head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body + b"}}}"
    )
    case.holds(f"more than the length: {told}", told == 200)


async def listed(case: Case, server: Server) -> None:
    """Bodies that are known to be odd, or only unusual."""
    many = json.dumps({"model": "panel", "messages": [{"role": "user", "content": ""}] * 100_000}).encode()
    url, headers = f"{server.base_url}/chat/completions", {"Authorization": f"Bearer {KEY}"}
    for bad, group in ((True, {**ODD, "100,000 messages": many}), (False, FINE)):
        for name, data in group.items():
            async with case.client.post(url, data=io.BytesIO(data), headers=headers) as response:
                told = json.loads(await response.read()).get("error")
            allowed = {400, 413} if bad else {200}
            case.holds(f"{name}: {response.status}", response.status in allowed)
            case.holds(
                f"{name}: not OpenAI's shape", not bad or told.keys() == {"message", "type", "param", "code"}
            )


def generate(case: Case, count: int) -> dict[int, int]:
    """Send bodies that hypothesis makes up to the application; how often each status came back."""
    config = configured(case.up, ensembles=ENSEMBLES)
    app = create_app(config)
    statuses: dict[int, int] = {}

    with asyncio.Runner() as runner:

        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(body=REQUESTS)
        def send(body: bytes) -> None:
            reply = runner.run(asyncio.wait_for(asked(app, "POST", "/v1/chat/completions", body), 10))
            statuses[reply.status] = statuses.get(reply.status, 0) + 1
            assert reply.status == 200 or reply.error["message"], body

        send()
        runner.run(moakit.aclose())
    return statuses
