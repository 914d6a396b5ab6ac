"""What an ensemble does without: dropped proposers, too few of them, none at all."""

import asyncio
import time

import pytest

import moakit
from moakit import (
    Agent,
    AuthenticationFailed,
    BadResponse,
    ConfigError,
    MoA,
    NotEnoughResponses,
    Proposers,
    Sequential,
)
from tests.lab import references_in

FAULTS = {
    "status:401": "AuthenticationFailed",
    "status:500": "BadResponse",
    "empty": "BadResponse",
    "blank": "BadResponse",
    "null+reasoning:hm": "BadResponse",
    "notjson": "BadResponse",
    "error200": "BadResponse",
    "filter": "ContentFiltered",
    "code:context_length_exceeded": "ContextTooLong",
    "cut:1": "BadResponse",
    "reset": "ConnectionFailed",
    "retry_after:600": "RateLimited",
    "hang": "CallError",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_answer_comes_without_two_of_three_and_says_so(up, lab, fault):
    ensemble = MoA([lab(fault), lab("good"), lab(f"{fault}+too")], lab("lead"), deadline=1)
    began = time.monotonic()
    answer = await ensemble.run("why")
    assert time.monotonic() - began < 1

    assert [reference.path for reference in answer.references] == ["0.1"]
    assert references_in(up.of("lead")[0]) == ["good #1: why"]
    assert answer.degraded and answer.text.startswith("lead #1")
    assert sorted((call.path, call.error) for call in answer.failures) == [
        ("0.0", FAULTS[fault]),
        ("0.2", FAULTS[fault]),
    ]
    assert all(call.message and call.status in ("failed", "cancelled") for call in answer.failures)
    assert {call.path for call in answer.calls} == {"0.0", "0.1", "0.2", "1.0"}
    assert set(answer.failures) < set(answer.calls)
    assert answer.cost == 0 and answer.usage.total_tokens > 0


async def test_when_all_fail_every_cause_is_told_and_the_aggregator_is_not_asked(up, lab):
    names = ["status:401", "empty", "retry_after:600", "filter"]
    with pytest.raises(NotEnoughResponses) as caught:
        await MoA([lab(name) for name in names], lab("lead")).run("why")
    assert not up.of("lead")
    assert [type(cause).__name__ for cause in caught.value.exceptions] == [FAULTS[name] for name in names]
    assert "no proposer answered (layer 1)" in str(caught.value)
    assert all(f"lab/{name}" in str(caught.value) for name in names)
    assert "key" not in str(caught.value).replace("api_key", "")
    group, rest = caught.value.split(AuthenticationFailed)
    assert len(group.exceptions) == 1 and len(rest.exceptions) == 3


async def test_when_all_are_silent_the_cause_is_the_deadline(up, lab):
    with pytest.raises(NotEnoughResponses) as caught:
        await MoA([lab("hang"), lab("status:401")], lab("lead"), deadline=0.5).run("why")
    kinds = [type(cause) for cause in caught.value.exceptions]
    assert kinds == [AuthenticationFailed, moakit.DeadlineExceeded]
    assert "1 did not answer within 0.3 s" in str(caught.value)


async def test_minimum_is_how_many_are_needed_in_the_end(up, lab):
    team = [lab("a"), lab("b"), lab("status:401")]
    assert (await MoA(team, lab("lead"), minimum=2).run("why")).degraded
    with pytest.raises(
        NotEnoughResponses, match="only 2 of the 3 proposers that are needed answered"
    ) as caught:
        await MoA(team, lab("lead"), minimum=3).run("why")
    assert "lab/status:401" in str(caught.value)
    with pytest.raises(ConfigError, match="minimum = 4 of only 3"):
        MoA(team, lab("lead"), minimum=4)


async def test_strict_fails_with_the_first_failure_and_at_once(up, lab):
    began = time.monotonic()
    with pytest.raises(AuthenticationFailed, match="lab/status:401"):
        await MoA([lab("hang"), lab("a"), lab("status:401")], lab("lead"), strict=True).run("why")
    assert time.monotonic() - began < 1
    assert not up.of("lead")
    await up.idle()
    assert up.of("hang")[0].status == "aborted"


async def test_strict_waits_for_every_proposer(up, lab):
    ensemble = MoA([lab("a"), lab("b"), lab("c+sleep:0.1")], lab("lead"), strict=True, grace=0)
    answer = await ensemble.run("why")
    assert len(answer.references) == 3 and not answer.degraded


async def test_strict_does_not_go_on_without_one_that_is_too_late(up, lab):
    with pytest.raises(
        NotEnoughResponses, match="only 2 of the 3 proposers that are needed answered"
    ) as caught:
        await MoA([lab("a"), lab("b"), lab("hang")], lab("lead"), strict=True, deadline=0.3).run("why")
    assert "1 did not answer within 0.18 s" in str(caught.value)
    assert not up.of("lead")


async def test_on_no_references_answer_lets_the_aggregator_answer_alone(up, lab):
    ensemble = MoA([lab("status:401"), lab("empty")], lab("lead"), on_no_references="answer")
    answer = await ensemble.run("why")
    assert answer.text == "lead #1: why" and answer.references == ()
    assert answer.degraded and len(answer.failures) == 2
    assert up.of("lead")[0].messages == [{"role": "user", "content": "why"}]


async def test_on_no_references_answer_goes_on_with_the_next_layer(up, lab):
    team = Proposers(lab("status:401+times:1", samples=1), lab("empty+times:1"))
    answer = await Sequential(team, team, lab("lead"), on_no_references="answer").run("why")
    assert [len(layer) for layer in answer.layers] == [0, 2, 1]
    assert answer.degraded


async def test_a_failed_layer_inside_a_nested_ensemble_is_one_failed_proposer(up, lab):
    inner = MoA([lab("status:401"), lab("status:403")], lab("merge"))
    answer = await MoA([inner, lab("a"), lab("b")], lab("lead")).run("why")
    assert [reference.path for reference in answer.references] == ["0.1", "0.2"]
    assert [call.path for call in answer.failures] == ["0.0.0.0", "0.0.0.1"]
    assert not up.of("merge")
    with pytest.raises(NotEnoughResponses) as caught:
        await MoA([inner], lab("lead")).run("why")
    (cause,) = caught.value.exceptions
    assert isinstance(cause, NotEnoughResponses) and len(cause.exceptions) == 2


async def test_failed_samples_are_dropped_like_proposers(up, lab):
    answer = await MoA([lab("status:401+times:1", samples=3)], lab("lead")).run("why")
    assert len(answer.references) == 2 and len(answer.failures) == 1
    alone = Sequential(lab("status:403+times:2", samples=3), lab("lead"))
    assert len((await alone.run("why")).references) == 1


async def test_a_mistake_of_the_user_is_not_something_to_go_on_without(up, lab):
    class Wrong(moakit.Layer):
        async def forward(self, prompt, references, run):
            raise ConfigError("no such thing")

    with pytest.raises(ConfigError, match="no such thing"):
        await MoA([lab("a"), lab("b"), Wrong()], lab("lead")).run("why")


async def test_an_unreachable_provider_is_dropped(up, lab):
    nowhere = moakit.Provider("nowhere", base_url="http://127.0.0.1:9/v1", api_key="k")
    answer = await MoA([nowhere("x"), lab("a"), lab("b")], lab("lead"), retries=0).run("why")
    assert [(call.path, call.error) for call in answer.failures] == [("0.0", "ConnectionFailed")]


async def test_a_prompt_that_cannot_be_run_is_refused_before_any_call(up, lab):
    ensemble = MoA([lab("a")], lab("lead"))
    for prompt in ([], (), None, 3, ["why"], [{"content": "why"}], {"role": "user", "content": "why"}):
        with pytest.raises(moakit.InvalidRequest):
            await ensemble.run(prompt)
    assert not up.calls


async def test_failures_of_many_runs_at_once_leave_nothing_behind(up, lab):
    team = [lab("status:401"), lab("reset"), lab("cut:1"), lab("a")]
    ensemble = MoA(team, lab("lead"), retries=0)
    answers = await asyncio.gather(*[ensemble.run("why") for _ in range(30)])
    assert [len(answer.failures) for answer in answers] == [3] * 30
    broken = MoA(team[:3], lab("lead"), retries=0)
    errors = await asyncio.gather(*[broken.run("why") for _ in range(30)], return_exceptions=True)
    assert {type(error) for error in errors} == {NotEnoughResponses}
    assert BadResponse in {type(cause) for cause in errors[0].exceptions}


@pytest.mark.parametrize("fault", ["empty", "blank"])
async def test_an_aggregator_that_streams_white_space_alone_is_restarted_on_its_fallback(up, lab, fault):
    lead = Agent(lab(fault).bound, fallback=[lab("say:the_answer")])
    async with MoA([lab("a"), lab("b")], lead, retries=0).stream("why") as stream:
        shown = [text async for text in stream.text]
    assert "".join(shown) == stream.answer.text == "the answer" and stream.answer.degraded
