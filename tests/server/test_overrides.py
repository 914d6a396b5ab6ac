"""What a request may change of an ensemble, where the server allows it, and what it may never set."""

import time

import pytest

from moakit import Layer, Response
from moakit.server.app import create_app
from tests.server.hosting import PANEL, asked, configured

USER = [{"role": "user", "content": "why"}]
OWN = {
    "panel": PANEL,
    "deep": {"layers": [{"propose": ["lab/one", "lab/two"]}, {"aggregate": "lab/lead"}], "retries": 0},
    "mixed": {"proposers": ["lab/one", "keyless/x"], "aggregator": "lab/lead", "retries": 0},
    "solo": {"model": "lab/lead"},
}


async def ask(app, moa, model="panel", **fields):
    body = {"model": model, "messages": USER, "moa": moa, **fields}
    return await asked(app, "POST", "/v1/chat/completions", body)


@pytest.fixture
def app(up):
    keyless = {"base_url": up.base_url}
    return create_app(configured(up, ensembles=OWN, providers={"keyless": keyless}))


def models(up):
    return [call.model for call in up.calls]


async def test_more_layers(up, app):
    assert (await ask(app, {"layers": 3})).status == 200
    assert sorted(models(up)) == sorted(["one", "two", "three"] * 2 + ["lead"])


async def test_other_proposers(up, app):
    assert (
        await ask(app, {"proposers": ["lab/x", {"model": "lab/y", "samples": 2, "temperature": 1}]})
    ).status == 200
    assert sorted(models(up)) == ["lead", "x", "y", "y"]
    assert all(call.body["temperature"] == 1 for call in up.of("y"))


async def test_another_aggregator(up, app):
    reply = await ask(app, {"aggregator": {"model": "lab/chief", "system": "Be brief", "max_tokens": 9}})
    assert reply.json["choices"][0]["message"]["content"].startswith("chief #1")
    assert up.of("chief")[0].body["max_tokens"] == 9 and up.of("lead") == []


async def test_a_bench(up, app):
    up.behaves |= {"two": "status:401"}
    assert (await ask(app, {"bench": ["lab/spare"]})).status == 200
    assert sorted(models(up)) == sorted(["one", "two", "three", "spare", "lead"])
    reply = await ask(app, {"bench": ["openai/gpt-4o"]})
    assert (
        reply.status == 400 and "'openai' is not a provider of this server" in reply.json["error"]["message"]
    )
    reply = await ask(app, {"bench": ["lab/spare"]}, model="deep")
    assert reply.status == 400 and "takes no bench" in reply.json["error"]["message"]


async def test_settings_of_waiting_and_failing(up, app):
    up.behaves |= {"one": "hang", "two": "say:a", "three": "say:b"}
    began = time.monotonic()
    reply = await ask(app, {"quorum": 2, "grace": 0.05, "deadline": 5})
    assert reply.status == 200 and time.monotonic() - began < 2
    up.behaves["lead"] = "hang"
    assert (await ask(app, {"deadline": 0.3, "quorum": 2, "grace": 0.05})).status == 504


async def test_events_and_changes_go_together(up, app):
    reply = await ask(app, {"events": True, "proposers": ["lab/x"]}, stream=True)
    assert reply.status == 200 and b'"lab/x"' in reply.body
    assert sorted(models(up)) == ["lead", "x"]


async def test_the_long_form_takes_settings_and_a_new_team(up, app):
    assert (await ask(app, {"deadline": 5}, model="deep")).status == 200
    up.reset()
    moa = {"proposers": ["lab/x", "lab/y"], "aggregator": "lab/z"}
    assert (await ask(app, moa, model="deep")).status == 200
    assert sorted(models(up)) == ["x", "y", "z"]


async def test_a_single_model_takes_settings_too(up, app):
    up.behaves["lead"] = "hang"
    assert (await ask(app, {"deadline": 0.3}, model="solo")).status == 504


async def test_the_next_request_finds_the_ensemble_as_it_was(up, app):
    await ask(app, {"proposers": ["lab/x"], "aggregator": "lab/y"})
    up.reset()
    assert (await ask(app, None)).status == 200
    assert sorted(models(up)) == ["lead", "one", "three", "two"]


@pytest.mark.parametrize("moa", [{"layers": 3}, {"proposers": ["lab/x"]}, {"deadline": 5}])
async def test_a_server_that_does_not_allow_it_refuses(up, moa):
    reply = await ask(create_app(configured(up, overrides=False)), moa)
    assert (reply.status, reply.error["param"]) == (400, "moa")
    assert "does not let requests change" in reply.error["message"]
    assert up.calls == []


async def test_events_are_there_even_where_changes_are_not(up):
    app = create_app(configured(up, overrides=False))
    assert b"moa_event" in (await ask(app, {"events": True}, stream=True)).body


@pytest.mark.parametrize(
    ("host", "chosen", "status"),
    [("127.0.0.1", {}, 200), ("0.0.0.0", {}, 400), ("0.0.0.0", {"overrides": True}, 200)],
)
async def test_an_address_beyond_loopback_is_closed_unless_it_is_opened(up, host, chosen, status):
    app = create_app(configured(up, host=host, **chosen))
    assert (await ask(app, {"layers": 3})).status == status


REFUSED = {
    "an unknown provider": {"proposers": ["evil/x"]},
    "a provider without a key": {"aggregator": "openai/gpt-4o"},
    "a provider without a key in a fallback": {"fallback": "groq/llama"},
    "a provider without a key in an agent": {"proposers": [{"model": "groq/llama"}]},
    "a provider without a key in an agent's fallback": {
        "proposers": [{"model": "lab/x", "fallback": ["groq/llama"]}]
    },
    "a local server nobody named": {"proposers": ["vllm/x"]},
    "a local server in a residual": {"proposers": [{"residual": "vllm/x"}]},
    "a local server in a nested ensemble": {
        "proposers": [{"proposers": ["lab/x"], "aggregator": {"aggregate": "lmstudio/x"}}]
    },
    "a local server in the long form": {"proposers": [{"layers": ["litellm/x"]}]},
    "a local server in a layer of one's own": {"proposers": [{"layer": "Echo", "judge": "vllm/x"}]},
    "a judge on a local server": {
        "proposers": [{"layers": [{"propose": ["lab/x", "lab/y"]}, {"best_of": "vllm/x"}]}]
    },
    "a pattern": {"proposers": [{"layers": [{"propose": ["lab/x"]}, {"vote": {"pattern": "(a+)+$"}}]}]},
    "an address": {"base_url": "http://evil.example/v1"},
    "an address in an agent": {"aggregator": {"model": "lab/x", "base_url": "http://evil.example"}},
    "a key": {"api_key": "x"},
    "headers": {"aggregator": {"model": "lab/x", "headers": {"a": "b"}}},
    "a provider of its own": {"providers": {"evil": {"base_url": "http://evil.example"}}},
    "a model without a provider": {"proposers": ["x"]},
    "no proposers": {"proposers": []},
    "a number for a list": {"proposers": 3},
    "a wrong type": {"layers": "many"},
    "a deadline that is none": {"deadline": -1},
    "an unknown layout": {"prompt": "haiku"},
    "an aggregator that gives two": {"aggregator": {"model": "lab/x", "samples": 2}},
    "an unknown layer": {"proposers": [{"layer": "Nothing"}]},
    "an empty table": {"aggregator": {}},
}


class Echo(Layer):
    """A layer of the user's own, with a model."""

    def __init__(self, judge=None):
        self.judge = judge

    async def forward(self, prompt, references, run):
        return (Response(text="echo"),)


@pytest.mark.parametrize("moa", REFUSED.values(), ids=REFUSED)
async def test_a_request_never_names_what_is_not_configured(up, moa):
    app = create_app(configured(up, ensembles=OWN | {"mixed": PANEL}, layers=(Echo,)))
    for model in ("panel", "deep"):
        reply = await ask(app, moa, model=model)
        assert reply.status == 400, reply
        assert reply.error["type"] == "invalid_request_error"
    assert up.calls == []


@pytest.mark.parametrize("name", ["base_url", "api_base", "api_key", "headers", "extra_headers", "proxy"])
async def test_a_request_sets_no_address_key_or_header_beside_moa_either(up, app, name):
    reply = await asked(app, "POST", "/v1/chat/completions", {"messages": USER, name: "http://evil.example"})
    assert (reply.status, reply.error["param"]) == (400, name)
    assert up.calls == []


async def test_an_unknown_key_names_the_nearest(up, app):
    reply = await ask(app, {"proposer": ["lab/x"]})
    assert "unknown key moa.proposer (did you mean 'proposers'?)" in reply.error["message"]


async def test_a_local_provider_that_an_ensemble_uses_is_configured(up):
    local = {"panel": {"proposers": ["vllm/one"], "aggregator": "lab/lead", "retries": 0}}
    environ = dict.fromkeys(("VLLM_BASE_URL", "MINE_BASE_URL"), up.base_url)
    environ |= dict.fromkeys(("VLLM_API_KEY", "MINE_API_KEY"), "lab-key-1")
    app = create_app(configured(up, ensembles=local, environ=environ))
    assert (await ask(app, {"proposers": ["vllm/other", "mine/x"]})).status == 200
    assert sorted(models(up)) == ["lead", "other", "x"]


def nested(depth):
    inner = "lab/x"
    for _ in range(depth):
        inner = {"proposers": [inner], "aggregator": "lab/y", "layers": 128}
    return inner


BOMBS = {
    "many layers": {"layers": 1000},
    "more layers than there is memory for": {"layers": 10**12},
    "many samples": {"samples": 10**9},
    "samples of an agent": {"proposers": [{"model": "lab/x", "samples": 10**9}]},
    "samples times layers": {"samples": 12, "layers": 12},
    "many proposers": {"proposers": ["lab/x"] * 200},
    "very many proposers": {"proposers": [{"model": "lab/x"}] * 30_000},
    "nested ensembles": {"proposers": [nested(6)]},
    "pairs of many": {
        "proposers": [
            {"layers": [{"propose": ["lab/x"] * 12}, {"rank": "lab/y", "by": "pairs"}]},
        ]
    },
    "nested lists": {"proposers": [{"layers": [{"propose": ["lab/x"] * 20, "samples": 20}]}]},
    "fallbacks without end": {"fallback": ["lab/x"] * 10_000},
}


@pytest.mark.parametrize("moa", BOMBS.values(), ids=BOMBS)
async def test_a_cost_bomb_is_refused_at_once(up, app, moa):
    began = time.monotonic()
    reply = await ask(app, moa)
    assert reply.status == 400 and "allowed" in reply.error["message"]
    assert time.monotonic() - began < 1
    assert up.calls == []


@pytest.mark.parametrize("seconds", [5e-324, 1e-9, 1e-5, 0.0004])
@pytest.mark.parametrize("name", ["deadline", "timeout"])
def test_a_time_that_has_passed_when_it_begins_is_a_timeout(up, served, name, seconds):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "hang")
    for reply in (served.chat(moa={name: seconds}), served.chat(moa={name: seconds}, stream=True)):
        assert reply.status == 504 and reply.error["type"] == "timeout_error", reply
