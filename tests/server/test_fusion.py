"""OpenRouter's `fusion` plugin in a request."""

import pytest

from moakit.server.app import create_app
from tests.server.hosting import asked, configured

USER = [{"role": "user", "content": "why"}]
FUSION = {"id": "fusion", "analysis_models": ["lab/x", "lab/y"], "model": "lab/chief"}


async def ask(app, *plugins, **fields):
    body = {"messages": USER, "plugins": list(plugins), **fields}
    return await asked(app, "POST", "/v1/chat/completions", body)


@pytest.fixture
def app(up):
    return create_app(configured(up))


async def test_the_analysis_models_propose_and_the_model_compares_then_writes(up, app):
    up.behaves["chief"] = 'say:{"consensus":_["they_agree"]}+then:It_is'
    reply = await ask(app, FUSION, {"id": "web"}, temperature=0.1)
    assert reply.json["choices"][0]["message"]["content"] == "It is"
    assert sorted(call.model for call in up.calls) == ["chief", "chief", "x", "y"]
    final = up.of("chief")[1]
    assert "they agree" in final.prompt and final.body["temperature"] == 0.1
    assert final.body["plugins"] == [{"id": "web"}]
    assert reply.json["model"] == "panel"


async def test_one_that_is_switched_off_changes_nothing(up, app):
    assert (await ask(app, {**FUSION, "enabled": False})).status == 200
    assert len(up.calls) == 4 and not any("plugins" in call.body for call in up.calls)


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        ({**FUSION, "analysis_models": ["openai/gpt-4o"]}, "'openai' is not a provider of this server"),
        ({**FUSION, "analysis_models": []}, "analysis_models is not a list of models"),
        ({**FUSION, "analysis_models": [{"model": "lab/x"}]}, "analysis_models is not a list of models"),
        ({**FUSION, "model": None}, "model is not a model's name"),
        ({**FUSION, "base_url": "http://evil.example"}, "fusion has no 'base_url'"),
        ({**FUSION, "analysis_models": ["lab/x"] * 200}, "202 calls; 128 are allowed"),
    ],
)
async def test_what_it_may_not_ask_for(up, app, plugin, why):
    reply = await ask(app, plugin)
    assert reply.status == 400 and why in reply.error["message"] and up.calls == []


async def test_it_is_a_change_of_the_ensemble(up, app):
    closed = create_app(configured(up, overrides=False))
    assert "does not let requests change" in (await ask(closed, FUSION)).error["message"]
    assert "both change" in (await ask(app, FUSION, moa={"layers": 3})).error["message"]
    assert "twice" in (await ask(app, FUSION, FUSION)).error["message"]
    assert up.calls == []
