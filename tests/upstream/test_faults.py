"""The upstream fails as its model names ask."""

import asyncio
import json
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from tests.upstream import Upstream
from tests.upstream.client import Client, joined, settled

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("code", [400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 529])
async def test_refusals_have_openais_error(client: Client, code: int) -> None:
    for stream in (False, True):
        async with client.post(f"status:{code}", stream=stream) as response:
            error = json.loads(await response.read())["error"]
            assert response.status == code and error["message"] and error["type"]


async def test_retry_headers(client: Client) -> None:
    async with client.post("retry_after:1.5+retry_after_ms:1500+should_retry:false") as response:
        assert response.status == 429
        assert response.headers["retry-after"] == "1.5" and response.headers["retry-after-ms"] == "1500"
        assert response.headers["x-should-retry"] == "false"
    async with client.post("status:503+retry_after:date2") as response:
        ahead = parsedate_to_datetime(response.headers["retry-after"]).timestamp() - time.time()
        assert response.status == 503 and 1.9 < ahead <= 3


async def test_faults_end_after_their_times(client: Client) -> None:
    model = "status:500+sleep:0.05+times:2+say:well"
    codes = []
    for _ in range(3):
        async with client.post(model) as response:
            codes.append(response.status)
    assert codes == [500, 500, 200]


async def test_requests_can_be_refused_for_what_they_hold(client: Client) -> None:
    assert (await client.json("reject:seed+reject:n", n=1))["error"]["param"] == "n"
    assert await client.text("reject:seed+say:fine") == "fine"
    too_long = (await client.json("context:3", "one two three four"))["error"]
    assert too_long["code"] == "context_length_exceeded" and "3 tokens" in too_long["message"]
    assert "8192 tokens" in (await client.json("code:context_length_exceeded"))["error"]["message"]
    assert (await client.json("refuse:not_today"))["error"]["message"] == "not today"
    assert (await client.json("filter400"))["error"]["code"] == "content_filter"
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "one two"}]
    assert await client.text("say:one_two_three", messages=messages) == " three"
    assert "prefill" in (await client.json("noprefill", messages=messages))["error"]["message"]


async def test_a_stream_can_be_cut_stalled_or_left_open(up: Upstream, client: Client) -> None:
    got = b""

    async def read() -> None:
        nonlocal got
        async with client.post("tokens:9+cut:4", stream=True) as response:
            async for piece in response.content.iter_any():
                got += piece

    with pytest.raises(aiohttp.ClientPayloadError):
        await read()
    assert b"w4" in got and b"w5" not in got and await settled(up.calls[0]) == "done"
    for model, last in (("tokens:9+hang_after:4", b"w4"), ("tokens:9+silent_end", b'"stop"')):
        async with client.post(model, stream=True) as response:
            got = b""
            while last not in got:
                got += await response.content.readany()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.content.readany(), 0.05)
        assert await settled(up.of(model)[0]) == "aborted"


async def test_a_whole_answer_can_be_cut_or_stalled(client: Client) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.json("tokens:9+cut:4")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.json("tokens:9+hang_after:1"), 0.05)
    with pytest.raises(json.JSONDecodeError):
        await client.json("badchunk:1")


async def test_connections_end_before_the_headers(client: Client) -> None:
    with pytest.raises(aiohttp.ClientOSError, match="reset"):
        await client.json("reset")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.json("close")


async def test_a_stale_connection_closes_on_reuse(up: Upstream, client: Client) -> None:
    assert await client.text("stale+say:a") == "a"
    reader, writer = await asyncio.open_connection(up.host, up.port)
    body = json.dumps({"model": "stale", "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    writer.write(request)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(request)
    assert b"HTTP/1.1" not in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_streams_end_in_many_ways(client: Client) -> None:
    assert (await client.raw("say:a")).endswith(b"data: [DONE]\n\n")
    assert b"[DONE]" not in await client.raw("say:a+nodone")
    broken = await client.raw("tokens:4+badchunk:2")
    assert broken.count(b"\n\n") == 8 and broken.endswith(b"[DONE]\n\n")
    failed = await client.raw("tokens:4+error_in_stream:2")
    assert b"w2" in failed and b"w3" not in failed and failed.rstrip().endswith(b"}") and b'"error"' in failed


async def test_bytes_on_the_wire(client: Client) -> None:
    text = (await client.raw("say:a_b+crlf+bom+comments+bytewise")).decode()
    assert text.startswith("\ufeff: ping\r\n\r\n") and "\n\n" not in text.replace("\r\n\r\n", "")
    assert joined(await client.chunks("say:a_b+crlf+bom+comments+bytewise")) == "a b"


async def test_line_ends_and_lines_of_an_event(client: Client) -> None:
    text = (await client.raw("say:a,_b+cr")).decode()
    assert "\n" not in text and text.endswith("data: [DONE]\r\r")
    lines = (await client.raw("say:a,_b+multiline")).decode().split("\n\n")[1].split("\n")
    chunk = json.loads("\n".join(line.removeprefix("data: ") for line in lines))
    assert len(lines) > 1 and chunk["choices"][0]["delta"] == {"content": "a,"}


async def test_a_chunk_that_is_not_utf8(client: Client) -> None:
    with pytest.raises(UnicodeDecodeError):
        (await client.raw("tokens:4+badutf8:2")).decode()
    with pytest.raises(UnicodeDecodeError):
        await client.json("badutf8:0")


async def test_a_stall_may_end(client: Client) -> None:
    assert joined(await client.chunks("tokens:4+hang_after:2+stall:0.01")) == "w1 w2 w3 w4"
    assert await client.text("tokens:4+hang_after:2+stall:0.01") == "w1 w2 w3 w4"


async def test_a_fault_in_every_so_manieth_call(client: Client) -> None:
    found = [(await client.json("status:503+every:3")).get("error") is None for _ in range(6)]
    assert found == [True, True, False, True, True, False]


async def test_an_error_may_repeat_the_key(up: Upstream) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer secret-key"}) as session:
        assert "secret-key" in (await Client(up, session).json("leak"))["error"]["message"]


async def test_comments_go_on_through_a_stall(client: Client) -> None:
    async with client.post("comments+hang_after:0", stream=True) as response:
        await response.content.readany()
        for _ in range(2):
            assert (await asyncio.wait_for(response.content.readany(), 1)) == b": ping\n\n"
