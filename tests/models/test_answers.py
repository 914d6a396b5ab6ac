"""Answers as they come over the wire: odd, broken, too large."""

import gzip
import json

import pytest

from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    CallError,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
)
from moakit.models import openai
from tests.models.scripted import Scripted, answer, stream
from tests.models.wire import KEY, Ear, ask, model_on

WHOLE = {
    "choices": [
        {
            "index": 0,
            "message": {
                "content": "42",
                "reasoning": "because",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"content": "43"}, "finish_reason": "stop"},
    ]
}
TEXT = b'{"choices": [{"index": 0, "delta": {"content": "42"}}]}'
STOP = b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'


@pytest.mark.parametrize(
    "name",
    [
        "tokens:40",
        "say:a_b+reasoning:why_not+cached:1",
        "say:a+reasoning:why+reasoning_as:reasoning",
        "say:a+think:hm_hm",
        "tool:f",
        "say:well+tool:f",
        "say:a+length",
        "say:a+nousage",
        "say:a+usage_before",
        "say:a_b_c+logprobs",
        "say:a+extra+fingerprint",
        "null",
        "blank",
    ],
)
@pytest.mark.parametrize("shape", ["", "+crlf+bom+comments", "+bytewise", "+nodone"])
async def test_a_stream_gives_the_reply_that_the_whole_gives(up, name, shape):
    model = model_on(up, f"{name}{shape}")
    whole, ear = await ask(model), Ear()
    assert await ask(model, ear=ear) == whole
    told = "" if whole.text.isspace() else whole.text
    assert (ear.text(), ear.text("reasoning").strip()) == (told, whole.reasoning)


async def test_several_choices_are_the_same_whole_and_streamed(up):
    model = model_on(up, "say:a_b")
    whole, ear = await ask(model, n=2), Ear()
    assert await ask(model, ear=ear, n=2) == whole
    assert len(whole.extra["choices"]) == 2 and ear.text() == ear.text(index=1) == "a b"


async def test_a_provider_may_give_fewer_choices_than_asked_for():
    async with Scripted(stream(TEXT, STOP, b"[DONE]")) as server:
        assert (await ask(model_on(server, "m"), streamed=True, n=3)).text == "42"


async def test_a_whole_answer_to_a_stream_is_told_piece_by_piece():
    ear = Ear()
    async with Scripted(answer(json.dumps(WHOLE).encode())) as server:
        reply = await ask(model_on(server, "m"), ear=ear)
    assert (reply.text, ear.text(), ear.text("reasoning"), ear.text(index=1)) == ("42", "42", "because", "43")
    assert ear.data("tool") == [{"tool_calls": [{**reply.tool_calls[0], "index": 0}]}]


async def test_a_whole_answer_of_white_space_to_a_stream_is_not_told():
    ear, message = Ear(), {"role": "assistant", "content": " \n"}
    blank = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    async with Scripted(answer(json.dumps(blank).encode())) as server:
        assert (await ask(model_on(server, "m"), ear=ear)).text == " \n"
    assert ear.heard == []


@pytest.mark.parametrize(
    "name", ["tokens:9+cut:4", "tokens:9+badchunk:2", "tokens:9+error_in_stream:2", "error200", "notjson"]
)
async def test_a_broken_answer_is_a_bad_response_with_its_model(up, streamed, name):
    with pytest.raises(BadResponse) as caught:
        await ask(model_on(up, name), streamed=streamed)
    assert caught.value.model == f"lab/{name}" and caught.value.status is None


async def test_a_stream_without_finish_reason_is_a_bad_response(up):
    with pytest.raises(BadResponse, match="before the answer was complete"):
        await ask(model_on(up, "say:a+nofinish"), streamed=True)


@pytest.mark.parametrize(
    "sent",
    [
        stream(TEXT, STOP, end=b""),
        stream(TEXT, STOP, b"junk"),
        stream(TEXT, STOP, b'{"error": {"code": 500}}'),
        stream(TEXT, STOP, b"[DONE]", b"junk"),
        stream(TEXT, STOP, end=b"a\r\ndata: {"),
    ],
    ids=["cut", "junk", "error", "junk after DONE", "half an event"],
)
async def test_what_follows_the_end_of_an_answer_cannot_spoil_it(sent):
    async with Scripted(sent, ends=True) as server:
        assert (await ask(model_on(server, "m"), streamed=True)).text == "42"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("status:401", AuthenticationFailed),
        ("status:403", AuthenticationFailed),
        ("status:404", BadResponse),
        ("status:500", BadResponse),
        ("status:529", BadResponse),
        ("status:429", RateLimited),
        ("filter400", ContentFiltered),
        ("filter", ContentFiltered),
        ("code:context_length_exceeded", ContextTooLong),
    ],
)
async def test_refusals_are_typed(up, streamed, name, kind):
    with pytest.raises(CallError) as caught:
        await ask(model_on(up, name), streamed=streamed)
    assert type(caught.value) is kind and caught.value.model == f"lab/{name}"


async def test_a_refusal_says_when_to_come_back(up):
    with pytest.raises(RateLimited) as caught:
        await ask(model_on(up, "retry_after_ms:1500+retry_after:9+should_retry:false"))
    assert (caught.value.retry_after, caught.value.should_retry, caught.value.status) == (1.5, False, 429)


async def test_a_refusal_whose_body_breaks_off_is_still_that_refusal():
    broken = answer(b"half", status="503 Unavailable", length=99, Retry_After="7")
    async with Scripted(broken, ends=True) as server:
        with pytest.raises(BadResponse) as caught:
            await ask(model_on(server, "m"))
    assert (caught.value.status, caught.value.retry_after) == (503, 7)


async def test_a_key_that_comes_back_in_a_refusal_is_not_shown():
    async with Scripted(answer(f'{{"error": "no {KEY}!"}}'.encode(), status="401 No")) as server:
        with pytest.raises(AuthenticationFailed) as caught:
            await ask(model_on(server, "m"))
    assert "no ***!" in str(caught.value)


async def test_an_answer_that_says_it_is_too_large_is_not_read(up, monkeypatch, streamed):
    monkeypatch.setattr(openai, "ANSWER_LIMIT", 1000)
    with pytest.raises(BadResponse, match="larger than 1000 bytes") as caught:
        async with Scripted(answer(b"", length=1001)) as server:
            await ask(model_on(server, "m"), streamed=streamed)
    assert caught.value.should_retry is False


async def test_an_answer_of_unknown_length_is_read_to_the_limit(monkeypatch):
    monkeypatch.setattr(openai, "ANSWER_LIMIT", 1000)
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 5000
    async with Scripted(endless) as server:
        with pytest.raises(BadResponse, match="larger than 1000 bytes"):
            await ask(model_on(server, "m"))


async def test_a_compressed_answer_is_measured_as_it_is_read(monkeypatch):
    monkeypatch.setattr(openai, "ANSWER_LIMIT", 100_000)
    bomb = answer(gzip.compress(b" " * 1_000_000), Content_Encoding="gzip")
    async with Scripted(bomb) as server:
        with pytest.raises(BadResponse, match="larger than 100000 bytes"):
            await ask(model_on(server, "m"))


async def test_a_compressed_answer_is_read():
    packed = answer(gzip.compress(json.dumps(WHOLE).encode()), Content_Encoding="gzip")
    async with Scripted(packed) as server:
        assert (await ask(model_on(server, "m"))).text == "42"


async def test_an_endless_stream_is_read_to_the_limit(up, monkeypatch):
    monkeypatch.setattr(openai, "STREAM_LIMIT", 20_000)
    with pytest.raises(BadResponse, match="larger than 20000 bytes"):
        await ask(model_on(up, "tokens:500"), streamed=True)


async def test_an_event_without_end_is_read_to_the_limit(up):
    with pytest.raises(BadResponse, match="an event of the stream is larger than"):
        await ask(model_on(up, "huge:17"), streamed=True)
