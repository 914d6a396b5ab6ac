"""What `[server]` switches: passthrough, which usage is told; and what an ensemble must be to be served."""

import json

import pytest

from moakit.errors import ConfigError
from moakit.server.app import create_app
from tests.server.hosting import PANEL, asked, configured

USER = [{"role": "user", "content": "why"}]


async def ask(app, model="panel", **fields):
    return await asked(app, "POST", "/v1/chat/completions", {"model": model, "messages": USER, **fields})


def text(reply):
    """The text of a stream that was read whole."""
    chunks = [json.loads(line[6:]) for line in reply.body.splitlines() if line.startswith(b"data: {")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


async def test_passthrough_offers_any_model_of_a_configured_provider(up):
    app = create_app(configured(up, passthrough=True))
    reply = await ask(app, "lab/org/model-7b", temperature=0.3, seed=7)
    assert reply.status == 200 and reply.json["model"] == "lab/org/model-7b"
    (call,) = up.calls
    assert (call.model, call.body["temperature"], call.body["seed"]) == ("org/model-7b", 0.3, 7)
    assert call.messages == USER
    assert [call["model"] for call in reply.json["usage"]["moa"]["calls"]] == ["lab/org/model-7b"]
    streamed = await ask(app, "lab/say:a_b", stream=True)
    assert text(streamed) == "a b" and streamed.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("model", ["openai/gpt-4o", "evil/x", "vllm/x", "lab/", "/x", "lab", "demo/nothing"])
async def test_passthrough_offers_nothing_else(up, model):
    reply = await ask(create_app(configured(up, passthrough=True)), model)
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")
    assert up.calls == []


async def test_without_passthrough_a_providers_model_is_unknown(up):
    reply = await ask(create_app(configured(up)), "lab/one")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


async def test_usage_may_be_the_last_calls_own(up):
    app = create_app(configured(up, usage="final"))
    words = {}
    whole = (await ask(app)).json["usage"]
    for call in up.calls:
        words[call.model] = len(call.prompt.split())
    assert whole["prompt_tokens"] == words["lead"] and whole["cost"] == 0
    assert whole["moa"]["total"]["prompt_tokens"] == sum(words.values()) and "final" not in whole["moa"]
    assert len(whole["moa"]["calls"]) == 4
    up.reset()
    body = (await ask(app, stream=True, stream_options={"include_usage": True})).body
    streamed = json.loads(body.split(b"\n\n")[-3].removeprefix(b"data: "))["usage"]
    assert streamed["prompt_tokens"] == words["lead"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("place", ["aggregator", "proposer"])
async def test_a_fallback_that_took_over_is_told_in_the_header_too(up, place, stream):
    spare = {"model": "lab/bad", "fallback": "lab/spare"}
    team = ["lab/one", "lab/two", spare if place == "proposer" else "lab/three"]
    lead = spare if place == "aggregator" else "lab/lead"
    ensembles = {"panel": {"proposers": team, "aggregator": lead, "retries": 0}}
    up.behaves["bad"] = "status:500"
    reply = await ask(create_app(configured(up, ensembles=ensembles)), stream=stream)
    assert reply.status == 200 and len(up.of("spare")) == 1
    assert reply.headers["x-moa-degraded"] == "true"


@pytest.mark.parametrize(
    "ensemble",
    [
        {"layers": [{"propose": ["lab/one", "lab/two"]}]},
        {"propose": ["lab/one", "lab/two"]},
        {"model": "lab/one", "samples": 2},
        {"layers": ["lab/one", {"model": "lab/two", "samples": 3}]},
    ],
)
def test_an_ensemble_that_does_not_end_in_one_response_is_refused_at_start(up, ensemble):
    with pytest.raises(ConfigError, match=r"ensembles\.wide ends in \d responses"):
        configured(up, ensembles={"panel": PANEL, "wide": ensemble})


async def test_a_layer_that_stands_alone_can_be_served(up):
    app = create_app(configured(up, ensembles={"panel": {"propose": ["lab/one"]}}))
    assert (await ask(app)).json["choices"][0]["message"]["content"] == "one #1: why"
