"""How long a run waits: quorum and grace, the deadlines of runs and of layers, the timers of calls."""

import time

import pytest

import moakit
from moakit import Aggregator, DeadlineExceeded, MoA, ModelTimeout, NotEnoughResponses, Proposers, Sequential
from tests.lab import references_in


class Clock:
    def __enter__(self):
        self.began = time.monotonic()
        return self

    def __exit__(self, *error):
        self.took = time.monotonic() - self.began


async def test_a_quorum_and_its_grace_drop_a_straggler_and_cancel_its_call(up, lab):
    ensemble = MoA([lab("a"), lab("hang"), lab("b")], lab("lead"), quorum=2, grace=0.1)
    with Clock() as clock:
        answer = await ensemble.run("why")
    assert 0.1 <= clock.took < 0.6
    assert [reference.path for reference in answer.references] == ["0.0", "0.2"]
    (dropped,) = answer.failures
    assert (dropped.path, dropped.status, dropped.error) == ("0.1", "cancelled", "CallError")
    assert "dropped: the quorum was there" in dropped.message
    assert answer.degraded and 0.1 <= dropped.seconds < 0.6
    await up.idle(0.25)
    assert up.of("hang")[0].status == "aborted"
    assert up.of("hang")[0].aborted_at <= up.of("lead")[0].finished_at


async def test_whoever_comes_within_the_grace_is_kept(up, lab):
    ensemble = MoA([lab("a"), lab("b+sleep:0.05"), lab("c")], lab("lead"), quorum=1, grace=1)
    with Clock() as clock:
        answer = await ensemble.run("why")
    assert len(answer.references) == 3 and not answer.degraded and clock.took < 0.9


async def test_by_default_all_but_one_of_three_are_a_quorum(up, lab):
    ensemble = MoA([lab("a"), lab("b"), lab("hang")], lab("lead"), grace=0)
    assert len((await ensemble.run("why")).references) == 2


async def test_by_default_two_proposers_are_both_waited_for(up, lab):
    ensemble = MoA([lab("a"), lab("b+sleep:0.1")], lab("lead"), grace=0)
    assert len((await ensemble.run("why")).references) == 2


async def test_failures_do_not_count_for_the_quorum(up, lab):
    ensemble = MoA([lab("status:401"), lab("a+sleep:0.1"), lab("b")], lab("lead"), quorum=2, grace=0)
    assert len((await ensemble.run("why")).references) == 2


async def test_a_runs_deadline_ends_it(up, lab):
    with Clock() as clock, pytest.raises(DeadlineExceeded) as caught:
        await Sequential(lab("hang"), deadline=0.2).run("why")
    assert "the run took longer than its deadline of 0.2 s" in str(caught.value)
    assert 0.2 <= clock.took < 0.8
    await up.idle(0.25)


async def test_a_runs_deadline_ends_its_stream(up, lab):
    async with MoA([lab("a")], lab("tokens:100+pace:0.05"), deadline=0.3).stream("why") as stream:
        told = [event.text async for event in stream if type(event) is moakit.Delta]
    with pytest.raises(DeadlineExceeded):
        _ = stream.answer
    assert "".join(told).startswith("w1 w2")


async def test_proposers_leave_time_to_the_layers_after_them(up, lab):
    ensemble = MoA([lab("a"), lab("hang")], lab("lead+sleep:0.1"), deadline=1)
    with Clock() as clock:
        answer = await ensemble.run("why")
    assert 0.6 <= clock.took < 1
    assert [reference.path for reference in answer.references] == ["0.0"]


async def test_proposers_of_a_nested_ensemble_leave_time_to_its_aggregator(up, lab):
    inner = MoA([lab("x"), lab("hang")], lab("merge+sleep:0.05"))
    answer = await MoA([inner, lab("b")], lab("lead"), deadline=1).run("why")
    assert [reference.path for reference in answer.references] == ["0.0.1.0", "0.1"]
    assert references_in(up.of("merge+sleep:0.05")[0]) == ["x #1: why"]


async def test_a_layer_may_have_a_deadline_of_its_own(up, lab):
    team = Proposers(lab("a"), lab("hang"), deadline=0.15)
    with Clock() as clock:
        answer = await Sequential(team, Aggregator(lab("lead"))).run("why")
    assert 0.15 <= clock.took < 0.6 and len(answer.references) == 1
    assert "the layer's time was up" in answer.failures[0].message


async def test_a_nested_ensembles_deadline_is_its_own(up, lab):
    inner = MoA([lab("x")], lab("hang"), deadline=0.2)
    with Clock() as clock:
        answer = await MoA([inner, lab("b"), lab("c")], lab("lead")).run("why")
    assert 0.2 <= clock.took < 0.8
    assert [reference.path for reference in answer.references] == ["0.1", "0.2"]
    assert [call.path for call in answer.failures] == ["0.0.1.0"]
    with pytest.raises(NotEnoughResponses) as caught:
        await MoA([inner], lab("lead")).run("why")
    assert "MoA at 0.0 took longer than 0.2 s" in str(caught.value)


async def test_a_nested_ensemble_that_ran_out_of_time_degrades_the_run(up, lab):
    class Either(moakit.Layer):
        def __init__(self, first, second):
            self.first, self.second = first, second

        async def forward(self, prompt, references, run):
            try:
                return await run(self.first, prompt, references)
            except moakit.DeadlineExceeded:
                return await run(self.second, prompt, references)

    answer = await Either(Sequential(lab("hang"), deadline=0.2), lab("a")).run("why")
    assert answer.degraded and [call.status for call in answer.failures] == ["cancelled"]


async def test_an_agents_timeout_is_its_own(up, lab):
    with Clock() as clock:
        answer = await MoA([lab("hang", timeout=0.1), lab("a")], lab("lead")).run("why")
    assert 0.1 <= clock.took < 0.6
    assert [call.error for call in answer.failures] == ["ModelTimeout"]
    assert "lab/hang: no complete answer within 0.1 s" in answer.failures[0].message
    assert len(up.of("hang")) == 1


async def test_an_agents_timeout_goes_before_the_settings(up, lab):
    ensemble = MoA([lab("sleep:0.2", timeout=2)], lab("lead"), timeout=0.05)
    with pytest.raises(NotEnoughResponses):
        await MoA([lab("sleep:0.2")], lab("lead"), timeout=0.05).run("why")
    assert (await ensemble.run("why")).text


@pytest.mark.parametrize(
    ("model", "timer"),
    [("ttft:60", "first_token"), ("comments+hang_after:0", "first_token"), ("hang_after:2", "idle")],
)
async def test_a_streamed_call_has_timers_to_its_first_token_and_between_tokens(up, lab, model, timer):
    ensemble = MoA([lab("a")], lab(model), first_token=0.15, idle=0.15)
    with Clock() as clock:
        async with ensemble.stream("why") as stream:
            assert [event async for event in stream]
    with pytest.raises(ModelTimeout) as caught:
        _ = stream.answer
    assert caught.value.timer == timer and clock.took < 0.8
    assert len(up.of(model)) == 1


async def test_a_timer_set_for_proposers_streams_them(up, lab):
    ensemble = MoA([lab("hang_after:3"), lab("a")], lab("lead"), idle=0.1)
    answer = await ensemble.run("why")
    assert [call.error for call in answer.failures] == ["ModelTimeout"]
    assert all(call.stream for call in up.calls)


async def test_what_is_asked_to_wait_longer_than_its_layer_may_take_is_dropped_at_once(up, lab):
    ensemble = MoA([lab("retry_after:5"), lab("a")], lab("lead"), deadline=6)
    with Clock() as clock:
        answer = await ensemble.run("why")
    assert clock.took < 1
    assert [(call.error, call.attempts) for call in answer.failures] == [("RateLimited", 1)]


async def test_a_wait_that_was_asked_for_is_kept(up, lab):
    with Clock() as clock:
        answer = await MoA([lab("retry_after:0.3+times:1"), lab("a")], lab("lead")).run("why")
    assert clock.took >= 0.3 and not answer.failures
    first, second = up.of("retry_after:0.3+times:1")
    assert second.at - first.finished_at >= 0.3


def test_a_setting_of_time_is_a_number_of_seconds():
    for settings in ({"deadline": 0}, {"timeout": "5"}, {"grace": -1}, {"idle": True}):
        (name,) = settings
        with pytest.raises(moakit.ConfigError, match=f"{name} = .* is not seconds"):
            MoA(["demo/planner"], "demo/editor", **settings)
