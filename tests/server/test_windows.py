"""What a client is told of a window: what was left out to fit into it, or what does not fit, in numbers."""

import openai
import pytest

from moakit.models import windows
from moakit.server.app import create_app
from tests.server.hosting import asked, configured, hosted
from tests.server.serving import KEY

PANEL = {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "retries": 0}


@pytest.fixture(autouse=True)
def _nothing_learned():
    windows.forget()
    yield
    windows.forget()


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_is_too_long_is_a_bad_request_with_the_numbers(up, stream):
    up.behaves["lead"] = "context:5000"
    messages = [{"role": "user", "content": "why " * 6000}]
    with (
        hosted(configured(up)) as served,
        openai.OpenAI(base_url=served.base_url, api_key=KEY) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.chat.completions.create(model="panel", messages=messages, stream=stream)
    error = caught.value
    assert (error.code, error.param) == ("context_length_exceeded", "messages")
    assert "maximum context length is 5000 tokens" in error.message and "resulted in 6" in error.message
    assert len(up.of("lead")) <= 2


async def test_one_that_is_not_even_sent_has_the_numbers_too(up):
    lab = {"base_url": up.base_url, "api_key": "${LAB_KEY}", "context_length": {"lead": 1000}}
    app = create_app(configured(up, ensembles={"panel": PANEL}, providers={"lab": lab}))
    body = {"model": "panel", "messages": [{"role": "user", "content": "why " * 6000}]}
    reply = await asked(app, "POST", "/v1/chat/completions", body)
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert "window 1,000" in reply.error["message"] and "about 6," in reply.error["message"]
    assert up.of("lead") == []


async def test_what_was_left_out_is_in_the_usage_and_the_answer_is_degraded(up):
    up.behaves["one"] = "tokens:2000"
    lab = {"base_url": up.base_url, "api_key": "${LAB_KEY}", "context_length": {"lead": 2000}}
    app = create_app(configured(up, ensembles={"panel": PANEL}, providers={"lab": lab}))
    body = {"model": "panel", "messages": [{"role": "user", "content": "why"}]}
    reply = await asked(app, "POST", "/v1/chat/completions", body)
    told = reply.json["usage"]["moa"]
    assert reply.headers["x-moa-degraded"] == "true" and told["degraded"]
    assert [call.get("left_out", 0) > 1000 for call in told["calls"]] == [False, False, True]
    assert all("left_out" not in call for call in told["calls"][:2])


async def test_the_list_of_models_tells_the_configured_window(up):
    lab = {"base_url": up.base_url, "api_key": "${LAB_KEY}", "context_length": 8192}
    app = create_app(configured(up, ensembles={"panel": PANEL}, providers={"lab": lab}))
    reply = await asked(app, "GET", "/v1/models", None)
    assert reply.json["data"][0]["context_length"] == 8192


async def test_a_request_may_cap_its_references(up):
    up.behaves["one"] = "tokens:2000"
    app = create_app(configured(up, ensembles={"panel": PANEL}))
    body = {
        "model": "panel",
        "messages": [{"role": "user", "content": "why"}],
        "moa": {"reference_tokens": 200},
    }
    reply = await asked(app, "POST", "/v1/chat/completions", body)
    assert reply.status == 200 and "tokens left out …]" in up.of("lead")[0].prompt
