"""A defect, ours or of a layer of the user's own: a bare 500 in OpenAI's shape; the log has the rest."""

import json

import pytest

from moakit import Layer, Response
from moakit.server import chat
from moakit.server.app import create_app
from tests.server.hosting import asked, configured

USER = [{"role": "user", "content": "why"}]
BODY = {"model": "panel", "messages": USER}


class Broken(Layer):
    """Fails with what no client should see."""

    async def forward(self, prompt, references, run):
        raise ValueError("the password is hunter2")


class Odd(Layer):
    """Gives a text that no wire can carry."""

    async def forward(self, prompt, references, run):
        return (Response(text="\ud800"),)


def bare(reply, caplog):
    assert reply.status == 500
    assert reply.error["message"] == "an internal error; the server's log has the details"
    assert reply.error["type"] == "server_error"
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_layer_that_raises(up, caplog, stream):
    app = create_app(configured(up, ensembles={"panel": {"layer": "Broken"}}, layers=(Broken,)))
    bare(await asked(app, "POST", "/v1/chat/completions", {**BODY, "stream": stream}), caplog)
    assert "hunter2" in caplog.text


async def test_an_answer_that_cannot_be_sent(up, caplog):
    app = create_app(configured(up, ensembles={"panel": {"layer": "Odd"}}, layers=(Odd,)))
    bare(await asked(app, "POST", "/v1/chat/completions", BODY), caplog)


async def test_an_answer_that_cannot_be_streamed(up, caplog):
    app = create_app(configured(up, ensembles={"panel": {"layer": "Odd"}}, layers=(Odd,)))
    reply = await asked(app, "POST", "/v1/chat/completions", {**BODY, "stream": True})
    if reply.status == 200:  # then it is told inside the stream
        assert json.loads(reply.body.rpartition(b"data: ")[2])["error"]["type"] == "server_error"
        assert b"[DONE]" not in reply.body
    else:
        bare(reply, caplog)


async def test_a_request_that_is_not_understood_for_a_reason_of_ours(up, caplog, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("hunter2")

    monkeypatch.setattr(chat, "understand", fail)
    bare(await asked(create_app(configured(up)), "POST", "/v1/chat/completions", BODY), caplog)
