"""What the requests with a key may spend together, and what a request may say of its own run's budget."""

import asyncio
import random
import re

import openai
import pytest

from moakit import ConfigError
from moakit.server.app import create_app
from tests.server.hosting import PANEL, asked, configured, hosted

RUNS, FIT = 64, 20
EACH = 5 + 10
"""What a call for "why" with ten tokens of answer reserves."""
USER = [{"role": "user", "content": "why"}]
ALICE = "alice-key-1"
CHAT = "/v1/chat/completions"
SOLO = {"model": "lab/lead", "max_tokens": 10}


def over(up, budget, **changes):
    """A server for which Alice's key has this budget, and another key none."""
    ensembles = {"solo": SOLO, "panel": {**PANEL, "max_tokens": 10, "aggregator": SOLO}}
    keys = [{"key": ALICE, "name": "alice", "budget": budget}, "other-key-1"]
    return configured(up, **{"ensembles": ensembles, "keys": keys, "passthrough": True} | changes)


def sdk(served, key=ALICE, **options):
    return openai.AsyncOpenAI(base_url=served.base_url, api_key=key, timeout=30, **options)


async def ask(client, model="solo", **fields):
    return await client.chat.completions.create(model=model, messages=USER, **fields)


async def refusal(client):
    """Ask for more than any budget here has, and return what is said."""
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(client, max_tokens=10**6)
    return str(caught.value)


@pytest.mark.parametrize("per", ["total", "month"])
async def test_at_the_edge_exactly_as_many_requests_succeed_as_fit(up, per):
    up.behaves["lead"] = "tokens:10+sleep:2"
    with hosted(over(up, {"tokens": FIT * EACH, "per": per})) as served:
        async with sdk(served) as client:
            ended = await asyncio.gather(*(ask(client) for _ in range(RUNS)), return_exceptions=True)
            answers = [one for one in ended if not isinstance(one, BaseException)]
            errors = [one for one in ended if isinstance(one, BaseException)]
            told = await refusal(client)
    assert len(answers) == FIT == len(up.calls)
    used = sum(answer.usage.total_tokens for answer in answers)
    assert used <= FIT * EACH and f"{used} spent, 0 reserved" in told
    for error in errors:
        assert isinstance(error, openai.RateLimitError)
        assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota")
        assert error.response.headers["x-should-retry"] == "false"
        assert "the budget of the key 'alice' of 300 tokens" in error.message
        assert ALICE not in error.response.text


async def test_nothing_stays_reserved_when_half_of_the_clients_leave(up):
    chance = random.Random(5)
    up.behaves["lead"] = "tokens:10+pace:0.02"
    with hosted(over(up, {"tokens": 10**5})) as served:
        async with sdk(served, max_retries=0) as client:

            async def read(number):
                if number % 4 < 2:
                    return await ask(client, "panel")
                return [chunk async for chunk in await ask(client, "panel", stream=True)]

            tasks = [asyncio.create_task(read(number)) for number in range(32)]
            for task in chance.sample(tasks, 16):
                await asyncio.sleep(chance.uniform(0, 0.05))
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert sum(not isinstance(one, BaseException) for one in ended) >= 16
            await asyncio.to_thread(up.wait_idle)
            for _ in range(100):
                told = await refusal(client)
                if "0 reserved" in told:
                    break
                await asyncio.sleep(0.05)
            assert ", 0 reserved" in told and " 0 spent" not in told


async def test_every_way_in_spends_of_the_same_budget_and_other_keys_of_none(up):
    up.behaves["lead"] = "tokens:10"
    with hosted(over(up, {"tokens": 2 * EACH + 2})) as served:
        async with sdk(served) as alice, sdk(served, "other-key-1") as other:
            webui = alice.with_options(base_url=served.base_url.replace("/v1", "/openwebui/v1"))
            await ask(alice)
            stream = await ask(webui, stream=True)
            assert [chunk async for chunk in stream]
            for client in (alice, webui):
                for streamed in (False, True):
                    with pytest.raises(openai.RateLimitError):
                        await ask(client, stream=streamed)
            assert (await ask(other)).usage.completion_tokens == 10
    assert len(up.calls) == 3


async def test_proposers_that_cannot_be_paid_are_dropped_and_told(up):
    up.behaves |= dict.fromkeys(("one", "two", "three", "lead"), "tokens:10")
    body = {"model": "panel", "messages": USER}
    reply = await asked(create_app(over(up, {"tokens": 1})), "POST", CHAT, body, key=ALICE)
    assert (reply.status, reply.error["code"]) == (429, "insufficient_quota") and not up.calls
    held = int(re.search(r"([\d,]+) asked for lab/lead", reply.error["message"])[1].replace(",", ""))
    reply = await asked(create_app(over(up, {"tokens": held + EACH})), "POST", CHAT, body, key=ALICE)
    told = reply.json["usage"]["moa"]
    assert reply.status == 200 and told["degraded"] and reply.headers["x-moa-degraded"] == "true"
    assert sorted(call["status"] for call in told["calls"]) == ["failed", "failed", "ok", "ok"]
    assert len(up.calls) == 2


async def test_the_runs_own_budget_is_a_400(up):
    ensembles = {"panel": {**PANEL, "budget": {"tokens": 50}}}
    with hosted(configured(up, ensembles=ensembles)) as served:
        async with sdk(served, "server-key-42") as client:
            for streamed in (False, True):
                with pytest.raises(
                    openai.BadRequestError, match="the budget of 'panel' of 50 tokens"
                ) as caught:
                    await ask(client, "panel", stream=streamed)
                assert caught.value.code == "budget_exceeded"
                assert caught.value.response.headers["x-should-retry"] == "false"
    assert not up.calls


# What a request may change


@pytest.mark.parametrize(
    ("own", "asks", "status"),
    [
        ({"tokens": 5000}, {"tokens": 4000}, 200),
        ({"tokens": 5000}, {"tokens": 5000, "dollars": 3}, 200),
        ({"tokens": 5000}, {"tokens": 50}, "budget_exceeded"),
        ({"tokens": 5000}, {"tokens": 5001}, "moa.budget"),
        ({"tokens": 5000}, None, 200),
        ({"tokens": 50}, None, "budget_exceeded"),
        ({"tokens": 50}, 0.5, "budget_exceeded"),
        (0.5, 0.4, 200),
        (0.5, 0.6, "moa.budget"),
        ({"dollars": 0.5}, 0.6, "moa.budget"),
        (None, {"tokens": 50}, "budget_exceeded"),
        (None, {"tokens": 5000}, 200),
        ({"tokens": 5000}, {"token": 1}, "moa"),
        ({"tokens": 5000}, "much", "moa"),
    ],
)
async def test_a_request_may_lower_the_budget_and_never_raise_it(up, own, asks, status):
    panel = PANEL if own is None else {**PANEL, "budget": own}
    app = create_app(configured(up, ensembles={"panel": panel}))
    body = {"model": "panel", "messages": USER, "moa": {"budget": asks, "layers": 2}}
    reply = await asked(app, "POST", CHAT, body)
    if status == 200:
        assert reply.status == 200 and len(up.calls) == 4
    else:
        assert reply.status == 400 and status in (reply.error["code"], reply.error["param"]) and not up.calls


async def test_another_team_is_held_to_the_ensembles_budget_too(up):
    app = create_app(configured(up, ensembles={"panel": {**PANEL, "budget": {"tokens": 50}}}))
    team = {"proposers": ["lab/x"], "aggregator": "lab/y"}
    reply = await asked(app, "POST", CHAT, {"model": "panel", "messages": USER, "moa": team})
    assert reply.error["code"] == "budget_exceeded"


# How it is written


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"token": 5}, "unknown key server.keys[0].budget.token (did you mean 'tokens'?)"),
        ({"per": "day"}, "server.keys[0]: budget has neither tokens nor dollars"),
        ({"tokens": 0}, "server.keys[0].budget.tokens: expected int >= 1"),
        ({"tokens": 5, "per": "week"}, "server.keys[0].budget.per: invalid enum value 'week'"),
        (0, "server.keys[0].budget.dollars: expected float > 0.0"),
        ("much", "server.keys[0].budget: expected float | object, got str"),
    ],
)
def test_a_budget_that_is_none_is_refused_with_its_path(up, budget, message):
    with pytest.raises(ConfigError) as caught:
        over(up, budget)
    assert str(caught.value) == message and ALICE not in str(caught.value)


async def test_dollars_need_the_prices_of_everything_that_is_served(up):
    mystery = {"base_url": up.base_url, "api_key": "${LAB_KEY}"}
    providers = {"mystery": mystery}
    unpriced = {"panel": {**PANEL, "proposers": ["lab/one", "mystery/two"]}}
    with pytest.raises(
        ConfigError, match=r"server\.keys\[0\]: budget is in dollars, and the price of mystery/two"
    ):
        over(up, 5, ensembles=unpriced, default="panel", providers=providers)
    app = create_app(over(up, 5, providers=providers))
    body = {"model": "mystery/x", "messages": USER}
    reply = await asked(app, "POST", CHAT, body, key=ALICE)
    assert reply.status == 400 and "the price of mystery/x is not known" in reply.error["message"]
    assert (await asked(app, "POST", CHAT, body, key="other-key-1")).status == 200
