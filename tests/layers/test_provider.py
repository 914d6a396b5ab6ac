"""A provider as users make one in Python."""

import asyncio

import pytest

import moakit
from moakit import ConfigError, MoA, Price, Provider
from tests.lab import until


def test_called_with_a_models_name_it_gives_an_agent():
    lab = Provider("lab", base_url="http://127.0.0.1:8080/v1/", api_key="secret")
    agent = lab("org/gemma", temperature=0.3)
    assert repr(agent) == "Agent('lab/org/gemma', temperature=0.3)"
    assert agent.model == agent.bound.name == "lab/org/gemma"
    assert lab.endpoint.base_url == "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize("url", ["127.0.0.1:8080/v1", "", "ftp://host/v1", "http://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="provider 'lab': base_url"):
        Provider("lab", base_url=url)


async def test_without_a_key_none_is_sent(up):
    await Provider("lab", base_url=up.base_url)("a").run("why")
    assert "authorization" not in up.calls[0].headers


async def test_its_headers_go_with_every_call(up):
    lab = Provider("lab", base_url=up.base_url, api_key="k", headers={"X-Team": "blue"})
    await MoA([lab("a")], lab("b")).run("why")
    assert [call.headers["x-team"] for call in up.calls] == ["blue", "blue"]


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (2.0, 10e-6),
        (Price(1, 4), 17e-6),
        ({"say:x": Price(1, 4)}, 17e-6),
        ({"say:x": 2}, 10e-6),
        ({"other": 2}, None),
    ],
)
async def test_its_price_may_be_a_number_a_price_or_one_for_each_model(up, price, cost):
    up.behaves["say:x"] = "tokens:4"
    answer = await Provider("lab", base_url=up.base_url, price=price)("say:x").run("why")
    assert answer.cost == (None if cost is None else pytest.approx(cost))


async def test_its_concurrency_holds_for_all_runs_together(up):
    lab = Provider("lab", base_url=up.base_url, concurrency=3)
    ensemble = MoA([lab("a+sleep:0.01"), lab("b+sleep:0.01")], lab("lead+sleep:0.01"))
    await asyncio.gather(*[ensemble.run("why") for _ in range(6)])
    assert up.peak == 3 and len(up.calls) == 18


async def test_its_timeout_holds_for_calls_that_set_none(up):
    lab = Provider("lab", base_url=up.base_url, timeout=0.1)
    with pytest.raises(moakit.ModelTimeout, match=r"lab/hang: no complete answer within 0\.1 s"):
        await lab("hang").run("why")
    assert (await lab("sleep:0.15", timeout=1).run("why")).text


async def test_connections_are_reused_until_aclose(up):
    agent = Provider("lab", base_url=up.base_url)("a")
    for _ in range(3):
        await agent.run("why")
    assert len({call.connection for call in up.calls}) == 1 == up.connections
    await moakit.aclose()
    await until(lambda: not up.connections)
    assert (await agent.run("why")).text
