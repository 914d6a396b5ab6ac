"""The leaf layer: its settings, its model, its key, its fallbacks."""

import pytest

import moakit
from moakit import (
    Agent,
    Aggregator,
    AuthenticationFailed,
    ConfigError,
    ContentFiltered,
    MoA,
    Proposers,
    Sequential,
    UnknownModel,
)
from moakit.models.demo import DemoModel
from tests.lab import references_in


async def test_its_settings_are_sent_with_every_call(up, lab):
    agent = lab(
        "a", system="Be brief", temperature=0.3, top_p=0.8, max_tokens=50, seed=0, reasoning_effort="low",
        extra={"top_k": 4, "venice": {"x": 1}},
    )  # fmt: skip
    await MoA([agent], agent).run("why")
    for call in up.calls:
        sent = {key: value for key, value in call.body.items() if key not in ("model", "messages")}
        assert sent == {
            "temperature": 0.3,
            "top_p": 0.8,
            "max_tokens": 50,
            "seed": 0,
            "reasoning_effort": "low",
            "top_k": 4,
            "venice": {"x": 1},
        }
        assert call.messages[0]["role"] == "system"
        assert call.messages[0]["content"].startswith("Be brief")
        assert call.key == "key"


async def test_without_settings_nothing_but_model_and_messages_is_sent(up, lab):
    await MoA([lab("a")], lab("b")).run("why")
    assert all(call.body.keys() == {"model", "messages"} for call in up.calls)


async def test_with_references_it_puts_them_into_the_prompt_and_without_it_just_answers(up, lab):
    await Sequential(lab("a"), lab("b")).run("why")
    assert references_in(up.calls[0]) == [] and up.calls[0].prompt == "why"
    assert len(references_in(up.calls[1])) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"temperature": -1}, "temperature = -1"),
        ({"temperature": "hot"}, "temperature = 'hot'"),
        ({"temperature": True}, "temperature = True"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens = 0"),
        ({"max_tokens": 1.5}, r"max_tokens = 1\.5"),
        ({"timeout": 0}, "timeout = 0"),
        ({"timeout": -3}, "timeout = -3"),
        ({"seed": "x"}, "seed = 'x'"),
        ({"seed": 1.5}, r"seed = 1\.5"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_its_name(settings, named):
    with pytest.raises(ConfigError, match=f"demo/planner: {named}"):
        Agent("demo/planner", **settings)


def test_an_unknown_provider_is_an_error_when_the_agent_is_built():
    with pytest.raises(UnknownModel, match=r"unknown provider 'gorq' \(did you mean 'groq'\?\)"):
        Agent("gorq/llama-3.1-8b-instant")
    with pytest.raises(UnknownModel, match=r"did you mean 'ollama'\?"):
        MoA(["olama/gemma3"], "demo/editor")
    with pytest.raises(UnknownModel, match="FAR_AWAY_BASE_URL"):
        Agent("far-away/model")
    with pytest.raises(UnknownModel, match="a model is written provider/model"):
        Agent("gpt-4o")
    with pytest.raises(UnknownModel, match=r"did you mean 'planner'\?"):
        Agent("demo/plannr")


def test_an_agent_in_the_place_of_a_model_is_an_error_that_says_so():
    with pytest.raises(ConfigError, match="the model is a layer already, Agent"):
        Agent(Agent("demo/planner"))


async def test_a_provider_of_the_environment_is_found(up, monkeypatch):
    monkeypatch.setenv("FAR_AWAY_BASE_URL", up.base_url)
    monkeypatch.setenv("FAR_AWAY_API_KEY", "far")
    assert (await Agent("far-away/org/x+say:hello").run("hi")).text == "hello"
    assert (up.calls[0].model, up.calls[0].key) == ("org/x+say:hello", "far")


async def test_a_missing_key_is_an_error_at_the_first_call_that_names_the_variable(monkeypatch):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    agent = Agent("groq/llama-3.1-8b-instant")
    with pytest.raises(AuthenticationFailed, match="GROQ_API_KEY"):
        await agent.run("hi")


async def test_a_call_that_never_left_for_want_of_a_key_has_cost_nothing(up, lab, monkeypatch):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    answer = await MoA(["groq/llama-3.1-8b-instant", lab("a")], lab("lead")).run("why")
    assert [(call.error, call.cost) for call in answer.failures] == [("AuthenticationFailed", 0.0)]
    assert answer.cost == 0.0


async def test_fallbacks_stand_in_one_after_another(up, lab):
    agent = lab("status:401", fallback=[lab("empty"), lab("say:third", temperature=0.7)])
    answer = await agent.run("why")
    assert (answer.text, answer.response.model, answer.degraded) == ("third", "lab/say:third", True)
    assert [call.model for call in answer.calls] == ["lab/status:401", "lab/empty", "lab/say:third"]
    assert [call.status for call in answer.calls] == ["failed", "failed", "ok"]
    assert answer.response.attempts == 3
    assert up.calls[2].body["temperature"] == 0.7


async def test_a_fallback_may_have_a_fallback_of_its_own(up, lab):
    agent = lab("status:401", fallback=lab("status:403", fallback=lab("say:last")))
    assert (await agent.run("why")).text == "last"


async def test_a_fallback_keeps_its_own_system_prompt_and_sees_the_same_references(up, lab):
    proposer = lab("say:reference")
    lead = lab("status:401", system="first", fallback=lab("other", system="second"))
    await Sequential(proposer, lead).run("why")
    failed, other = up.calls[1:]
    assert references_in(failed) == references_in(other) == ["reference"]
    assert failed.messages[0]["content"].startswith("first")
    assert other.messages[0]["content"].startswith("second")


@pytest.mark.parametrize("fault", ["filter400", "filter"])
async def test_an_answer_that_a_filter_withheld_is_not_asked_of_a_fallback(up, lab, fault):
    with pytest.raises(ContentFiltered):
        await lab(fault, fallback=lab("say:spare")).run("why")
    assert [call.model for call in up.calls] == [fault]


async def test_a_proposal_that_a_filter_withheld_is_asked_of_a_fallback(up, lab):
    answer = await MoA([lab("filter", fallback=lab("say:spare"))], lab("lead")).run("why")
    assert [reference.text for reference in answer.references] == ["spare"]


async def test_when_every_fallback_fails_the_last_error_is_raised(up, lab):
    with pytest.raises(AuthenticationFailed, match="lab/status:403"):
        await lab("status:401", fallback=lab("status:403")).run("why")


async def test_a_model_of_ones_own_may_stand_where_a_name_does():
    class Echo:
        name = "own/echo"
        endpoint = None

        async def respond(self, messages, parameters, listener=None):
            text = f"{len(messages)} {sorted(parameters)}"
            if listener is not None:
                listener(text)
            return moakit.Reply(text=text, cost=0.25)

    answer = await MoA([Echo(), Echo()], Aggregator(Echo(), fallback=Echo())).run("hi", temperature=1)
    assert answer.text == "2 ['temperature']"
    assert [reference.text for reference in answer.references] == ["1 []", "1 []"]
    assert answer.cost == 0.75
    async with Agent(Echo()).stream("hi") as stream:
        assert [text async for text in stream.text] == ["1 []"]
    assert Proposers(Echo()).to_config() == {"propose": ["own/echo"]}


def test_with_options_changes_a_copy():
    agent = Agent(DemoModel("planner"), temperature=0.5, fallback="demo/skeptic")
    changed = agent.with_options(temperature=0.9, samples=2)
    assert repr(changed) == "Agent('demo/planner', temperature=0.9, samples=2, fallback=['demo/skeptic'])"
    assert changed.bound is agent.bound and agent.temperature == 0.5
