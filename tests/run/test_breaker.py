"""The circuit breaker in runs: who goes on without the model, who waits for it, and that it comes back."""

import asyncio
import time

import pytest

import moakit
from moakit import Agent, MoA
from moakit.errors import BadResponse, NotEnoughResponses
from moakit.policies import breaker


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(breaker, "FIRST", 0.2)
    monkeypatch.setattr(breaker, "LONGEST", 0.4)


async def test_a_dead_proposer_is_left_alone(up, lab):
    ensemble = MoA([lab("status:503"), lab("a"), lab("b")], lab("lead"))
    for _ in range(30):
        answer = await ensemble.run("why")
        assert answer.degraded
        assert [response.model for response in answer.references] == ["lab/a", "lab/b"]
    assert 5 * 3 <= len(up.of("status:503")) <= 5 * 3 + 2  # and a probe, should it take so long
    (failure,) = answer.failures
    assert (failure.attempts, failure.cost, failure.error) == (0, 0.0, "BadResponse")
    assert "not asked: it failed 5 times in a row" in failure.message


async def test_over_many_requests_repetitions_stay_within_a_tenth(up, lab):
    ensemble = MoA([lab("status:429"), lab("a"), lab("b")], lab("lead"))
    for _ in range(40):
        await asyncio.gather(*(ensemble.run("why") for _ in range(5)))
    # Five calls with two repetitions each open it; the probes after that are not repeated.
    assert len(up.of("status:429")) <= 45


async def test_it_comes_back(up, lab):
    up.behaves["m"] = "status:500"
    ensemble = Agent(lab("m").bound, fallback=lab("other"))
    for _ in range(5):
        assert (await ensemble.run("why")).response.model == "lab/other"
    asked = len(up.of("m"))
    assert asked == 5 * 3
    up.behaves["m"] = "say:back"
    began = time.monotonic()
    while (await ensemble.run("why")).response.model != "lab/m":
        assert time.monotonic() - began < 5
        await asyncio.sleep(0.02)
    for _ in range(5):
        assert (await ensemble.run("why")).text == "back"


async def test_the_answer_alone_waits_for_a_probe(up, lab):
    up.behaves["m"] = "status:500"
    for _ in range(5):
        with pytest.raises(BadResponse):
            await lab("m").run("why")
    up.behaves["m"] = "say:back"
    assert (await lab("m").run("why")).text == "back"
    assert len(up.of("m")) == 5 * 3 + 1


async def test_without_anybody_left_the_error_is_the_model_s_own(up, lab):
    ensemble = MoA([lab("retry_after:7")], lab("lead"), retries=0)
    for _ in range(6):
        with pytest.raises(NotEnoughResponses) as caught:
            await ensemble.run("why")
    (cause,) = caught.value.exceptions
    assert isinstance(cause, moakit.RateLimited)
    assert 6 < cause.retry_after <= 7
    assert len(up.of("retry_after:7")) == 5


async def test_another_model_of_the_provider_is_not_touched(up, lab):
    for _ in range(5):
        with pytest.raises(BadResponse):
            await MoA([lab("a")], lab("status:500+retries"), retries=0).run("why")
    assert (await lab("a").run("why")).text


async def test_it_can_be_switched_off(up):
    lab = moakit.Provider("lab", base_url=up.base_url, api_key="key", price=0, breaker=0)
    for _ in range(8):
        with pytest.raises(BadResponse):
            await moakit.Sequential(lab("status:500"), retries=0).run("why")
    assert len(up.of("status:500")) == 8
