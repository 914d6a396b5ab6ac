"""Attempts after the first: which failures are repeated, and how that is told."""

import pytest

import moakit
from moakit import (
    BadResponse,
    CallFailed,
    CallRetried,
    CallStarted,
    Delta,
    MoA,
    NotEnoughResponses,
    RateLimited,
)


@pytest.mark.parametrize(
    "fault",
    [
        "status:429",
        "retry_after_ms:5",
        "status:500",
        "status:503",
        "status:529",
        "close",
        "reset",
        "cut:1",
        "notjson",
    ],
)
async def test_what_may_pass_is_repeated_until_it_does(up, lab, fault):
    model = f"{fault}+times:2"
    async with MoA([lab(model)], lab("lead")).stream("why") as stream:
        events = [event async for event in stream]
    answer = stream.answer
    retried = [event for event in events if type(event) is CallRetried]
    assert [event.path for event in retried] == ["0.0", "0.0"]
    assert all(isinstance(event.error, moakit.CallError) and 0 <= event.wait < 1 for event in retried)
    assert len(up.of(model)) == answer.references[0].attempts == answer.calls[0].attempts == 3
    assert not answer.failures and not answer.degraded
    assert sum(type(event) is CallStarted for event in events) == 2


@pytest.mark.parametrize(
    "fault",
    ["status:400", "status:401", "status:404", "empty", "filter", "code:context_length_exceeded",
     "status:500+should_retry:false", "retry_after:9999"],
)  # fmt: skip
async def test_what_will_not_pass_is_not_repeated(up, lab, fault):
    with pytest.raises(NotEnoughResponses):
        await MoA([lab(fault)], lab("lead")).run("why")
    assert len(up.of(fault)) == 1


async def test_retries_says_how_often(up, lab):
    for retries in (0, 1, 4):
        # Each time another model: what one did before is remembered.
        model = f"status:503+m{retries}"
        with pytest.raises(BadResponse):
            await MoA([lab("a")], lab(model), retries=retries).run("why")
        assert len(up.of(model)) == retries + 1


async def test_two_retries_are_the_default(up, lab):
    answer = await MoA([lab("status:503"), lab("a")], lab("lead")).run("why")
    assert len(up.of("status:503")) == 3
    (failed,) = answer.failures
    assert (failed.attempts, failed.error) == (3, "BadResponse")


async def test_the_retries_of_one_proposer_do_not_touch_the_others(up, lab):
    await MoA([lab("retry_after_ms:20+times:1"), lab("a"), lab("b")], lab("lead")).run("why")
    assert [len(up.of(name)) for name in ("retry_after_ms:20+times:1", "a", "b", "lead")] == [2, 1, 1, 1]


async def test_an_aggregator_is_asked_again_before_its_first_token(up, lab):
    async with MoA([lab("a")], lab("status:500+times:1+tokens:3")).stream("why") as stream:
        texts = [text async for text in stream.text]
    assert "".join(texts) == "w1 w2 w3"
    assert stream.answer.response.attempts == 2


async def test_a_proposal_that_was_cut_is_asked_for_again_and_its_beginning_is_not_used(up, lab):
    model = "tokens:9+cut:3+times:1"
    async with MoA([lab(model)], lab("lead")).stream("why", proposers=True) as stream:
        events = [event async for event in stream]
    told = [event for event in events if event.path == "0.0" and type(event) in (Delta, CallRetried)]
    at = next(place for place, event in enumerate(told) if type(event) is CallRetried)
    assert "".join(event.text for event in told[:at]) == "w1 w2 w3"
    assert "".join(event.text for event in told[at + 1 :]) == stream.answer.references[0].text
    assert stream.answer.references[0].text.split() == [f"w{i}" for i in range(1, 10)]


async def test_a_fallback_has_attempts_of_its_own_and_the_response_counts_them_all(up, lab):
    agent = lab("status:500", fallback=lab("status:429+times:1+say:second"))
    async with MoA([agent], lab("lead")).stream("why") as stream:
        events = [event async for event in stream]
    answer = stream.answer
    assert answer.references[0].attempts == 5
    assert [(call.model, call.status, call.attempts) for call in answer.calls[:2]] == [
        ("lab/status:500", "failed", 3),
        ("lab/status:429+times:1+say:second", "ok", 2),
    ]
    (failed,) = [event for event in events if type(event) is CallFailed]
    assert not failed.final


async def test_what_is_raised_is_the_last_attempts_error(up, lab):
    up.behaves["lead"] = "status:503"
    with pytest.raises(BadResponse) as caught:
        await lab("lead").run("why")
    assert (caught.value.status, caught.value.model) == (503, "lab/lead")
    up.behaves["lead"] = "retry_after:600"
    with pytest.raises(RateLimited) as caught:
        await lab("lead").run("why")
    assert caught.value.retry_after == 600


async def test_seconds_and_first_token_are_the_successful_attempts(up, lab):
    async with lab("status:500+times:1+tokens:3+pace:0.05").stream("why") as stream:
        async for _ in stream:
            pass
    response = stream.answer.response
    assert 0.1 <= response.seconds < stream.answer.duration
    assert 0 < response.first_token < 0.1
