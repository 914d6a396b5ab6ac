"""Headers wait for a token, a failure or a long silence; a long silence is filled with comments."""

import json
import time

import openai
import pytest

from moakit.server import outlet
from tests.server.hosting import configured, hosted
from tests.server.serving import KEY

USER = [{"role": "user", "content": "why"}]
BEAT = 0.1


@pytest.fixture
def restless(up, monkeypatch):
    """A server that is silent for a tenth of a second at most."""
    monkeypatch.setattr(outlet, "SILENCE", BEAT)
    with hosted(configured(up)) as server:
        yield server


def test_comments_go_out_while_the_proposers_work(up, restless):
    up.behaves |= {"one": "sleep:0.65", "two": "sleep:0.65", "lead": "say:at_last"}
    reply = restless.chat(stream=True)
    assert reply.status == 200
    beats, _, rest = reply.body.partition(b"data: ")
    assert beats.replace(b": keep-alive\n\n", b"") == b""
    assert 2 <= beats.count(b": keep-alive\n\n") <= 7
    assert b"at" in rest and rest.endswith(b"data: [DONE]\n\n")


def test_the_first_comment_comes_after_the_silence_and_takes_the_headers_along(up, restless):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "sleep:1.0")
    connection = restless.connection()
    body = json.dumps({"model": "panel", "messages": USER, "stream": True})
    began = time.monotonic()
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"})
    response = connection.getresponse()
    waited = time.monotonic() - began
    assert response.status == 200 and response.headers["x-moa-run-id"].startswith("run_")
    assert response.readline() == b": keep-alive\n"
    assert BEAT * 0.9 < waited < 1.0
    assert response.read().endswith(b"data: [DONE]\n\n")
    connection.close()


def test_comments_go_on_through_a_pause_of_the_aggregator(up, restless):
    up.behaves["lead"] = "tokens:3+pace:0.35"
    body = restless.chat(stream=True).body
    first, second, third = (body.index(word) for word in (b'"w1"', b'" w2"', b'" w3"'))
    assert b": keep-alive\n\n" in body[first:second] and b": keep-alive\n\n" in body[second:third]


def test_a_lively_stream_has_no_comments(up, monkeypatch):
    monkeypatch.setattr(outlet, "SILENCE", 1.0)
    up.behaves["lead"] = "tokens:60+pace:0.025"
    with hosted(configured(up)) as server:
        assert b": keep-alive" not in server.chat(stream=True).body


def test_the_official_client_passes_over_the_comments(up, restless):
    up.behaves |= {"one": "sleep:0.3", "two": "sleep:0.3", "lead": "tokens:3+pace:0.15"}
    with openai.OpenAI(base_url=restless.base_url, api_key=KEY) as client:
        stream = client.chat.completions.create(model="panel", messages=USER, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "w1 w2 w3"


def test_after_a_comment_a_failure_is_told_inside_the_stream(up, restless):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "status:500+sleep:0.35")
    reply = restless.chat(stream=True)
    assert reply.status == 200 and reply.body.startswith(b": keep-alive\n\n")
    last = json.loads(reply.body.rpartition(b"data: ")[2])
    assert last["error"]["type"] == "upstream_error" and last["choices"] == []
    assert b"[DONE]" not in reply.body


def test_before_the_silence_is_long_a_failure_keeps_its_status(up, monkeypatch):
    monkeypatch.setattr(outlet, "SILENCE", 1.0)
    up.behaves |= dict.fromkeys(("one", "two", "three"), "retry_after:300+sleep:0.2")
    with hosted(configured(up)) as server:
        reply = server.chat(stream=True)
    assert (reply.status, reply.headers["retry-after"]) == (429, "300")


def test_an_answer_that_is_not_streamed_has_no_comments(up, restless):
    up.behaves["one"] = up.behaves["two"] = "sleep:0.3"
    assert restless.chat().json["object"] == "chat.completion"
