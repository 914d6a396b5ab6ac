"""A cascade: the cheap stage first, the next one where its references disagree or it fails."""

import asyncio
import contextlib

import pytest

import moakit
from moakit import (
    Aggregator,
    Cascade,
    ConfigError,
    Delta,
    Judged,
    MoA,
    MoaError,
    Proposers,
    Sequential,
    ShapeError,
    from_config,
)
from tests.lab import references_in, until


def cheap(lab, *says, **settings):
    return MoA([lab(name) for name in says or ("say:42", "say:42")], lab("writer"), **settings)


async def told(layer, prompt="why"):
    async with layer.stream(prompt) as stream:
        events = [event async for event in stream]
    return [event.verdict for event in events if type(event) is Judged], stream.answer


async def test_where_the_references_agree_the_cheap_stage_writes(up, lab):
    verdicts, answer = await told(Cascade(cheap(lab), lab("strong")))
    assert verdicts == [{"stage": 0, "agreement": 1.0, "escalated": False}]
    assert answer.response.model == "lab/writer" and not up.of("strong") and not answer.degraded
    assert [call.path for call in answer.calls] == ["0.0.0", "0.0.1", "0.1.0"]
    assert references_in(up.of("writer")[0]) == ["42", "42"]


async def test_where_they_disagree_the_next_stage_answers_and_nobody_writes_of_them(up, lab):
    layer = Cascade(cheap(lab, "say:42", "say:43"), cheap(lab, "say:7", "say:8"))
    verdicts, answer = await told(layer)
    assert verdicts == [
        {"stage": 0, "agreement": 0.0, "escalated": True, "why": "the references disagree"},
    ]
    assert len(up.of("writer")) == 1 and references_in(up.of("writer")[0]) == ["7", "8"]
    assert not answer.degraded and [one.text for one in answer.references] == ["7", "8"]
    assert len(answer.calls) == layer.plan().calls == 5
    for call in answer.calls:
        assert layer[call.path].model == call.model


async def test_three_stages_are_climbed_one_by_one(up, lab):
    layer = Cascade(cheap(lab, "say:1", "say:2"), cheap(lab, "say:3", "say:3"), lab("strong"))
    verdicts, answer = await told(layer)
    assert [one["escalated"] for one in verdicts] == [True, False]
    assert answer.response.path == "1.1.0" and not up.of("strong")


async def test_the_threshold_decides(lab):
    team = ("say:the_sky_is_blue", "say:the_sky_is_red")
    assert (await told(Cascade(cheap(lab, *team), lab("strong"), agree=0.2)))[1].response.path == "0.1.0"
    assert (await told(Cascade(cheap(lab, *team), lab("strong"), agree=0.9)))[1].response.path == "1"


async def test_a_measure_of_ones_own_decides(lab):
    seen = []

    def measure(texts):
        seen.append(texts)
        return 0.5

    layer = Cascade(cheap(lab, "say:a", "say:b"), lab("strong"), agree=0.5, measure=measure)
    assert (await layer.run("why")).response.path == "0.1.0"
    assert seen == [("a", "b")]
    broken = Cascade(cheap(lab), lab("strong"), measure=lambda texts: float("nan"))
    assert (await broken.run("why")).response.path == "1"
    broken = Cascade(cheap(lab), lab("strong"), measure=lambda texts: "high")
    with pytest.raises(ConfigError, match="measure returned 'high'"):
        await broken.run("why")


@pytest.mark.parametrize(
    ("says", "path", "degraded"),
    [
        ('say:{"agreement":0.9}', "0.1.0", False),
        ('say:{"agreement":0.1}', "1", False),
        ("say:they_agree", "1", True),
        ('say:{"agreement":7}', "1", True),
        ("status:500+should_retry:false", "1", True),
    ],
)
async def test_a_judge_decides_and_without_a_verdict_the_next_stage_answers(up, lab, says, path, degraded):
    up.behaves["judge"] = says
    layer = Cascade(cheap(lab, "say:yes", "say:of_course"), lab("strong"), judge=lab("judge"))
    answer = await layer.run("why")
    assert answer.response.path == path and answer.degraded == degraded
    assert {call.path for call in answer.calls if call.role == "judge"} <= {"2", "2#1"}
    assert references_in(up.of("judge")[0]) == ["yes", "of course"]


async def test_its_plan_is_what_is_observed_with_a_judge(up, lab):
    up.behaves["judge"] = 'say:{"agreement":0}'
    layer = Cascade(cheap(lab), cheap(lab), judge=lab("judge"))
    assert len((await layer.run("why")).calls) == layer.plan().calls == 6
    assert layer.plan().steps == 4


@pytest.mark.parametrize("broken", [("status:500+should_retry:false",) * 2, ("say:42", "status:401")])
async def test_a_stage_that_fails_or_has_one_reference_is_passed_over(up, lab, broken):
    verdicts, answer = await told(Cascade(cheap(lab, *broken), lab("strong")))
    assert answer.response.model == "lab/strong" and answer.degraded and not up.of("writer")
    why = "no proposer answered" if len(set(broken)) == 1 else "fewer than two references"
    assert verdicts[0]["escalated"] and verdicts[0]["why"].startswith(why)


async def test_a_writer_that_fails_before_its_first_token_is_passed_over(up, lab):
    up.behaves["writer"] = "status:401"
    verdicts, answer = await told(Cascade(cheap(lab), lab("strong")))
    assert answer.response.model == "lab/strong" and answer.degraded
    assert "writer" in verdicts[1]["why"]


async def test_an_answer_that_has_begun_is_not_taken_back(up, lab):
    up.behaves["writer"] = "tokens:20+pace:0.01+cut:5"
    async with Cascade(cheap(lab), lab("strong")).stream("why") as stream:
        events = [event async for event in stream]
    assert type(events[-1]) is moakit.RunFailed and "broke off" in str(events[-1].error)
    assert not up.of("strong")


async def test_the_last_stages_failure_is_the_runs(up, lab):
    up.behaves["strong"] = "status:401"
    with pytest.raises(moakit.AuthenticationFailed):
        await Cascade(cheap(lab, "say:1", "say:2"), lab("strong")).run("why")


async def test_the_writer_that_is_chosen_streams(up, lab):
    up.behaves["writer"] = "say:one_two+pace:0.01"
    async with Cascade(cheap(lab), lab("strong")).stream("why", temperature=0.5) as stream:
        texts = [event.text async for event in stream if type(event) is Delta and event.answer]
    assert texts == ["one", " two"] and up.of("writer")[0].body["temperature"] == 0.5


async def test_stages_may_give_references_for_a_layer_after_it(up, lab):
    stages = Cascade(Proposers(lab("say:1"), lab("say:2")), Proposers(lab("say:3"), lab("say:4")))
    assert stages.shape(0) == 2
    answer = await Sequential(stages, Aggregator(lab("lead"))).run("why")
    assert references_in(up.of("lead")[0]) == ["3", "4"] and len(answer.calls) == 5
    samples = Cascade(lab("say:1", samples=3), lab("strong"))
    answer = await Sequential(samples, Aggregator(lab("lead"))).run("why")
    assert len(answer.references) == 3


async def test_the_result_of_a_tool_goes_to_the_last_stage(up, lab):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    prompt = [
        {"role": "user", "content": "add"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    await Cascade(cheap(lab), lab("strong")).run(prompt)
    assert [call.model for call in up.calls] == ["strong"]


async def test_a_stages_own_settings_hold(up, lab):
    layer = Cascade(cheap(lab, "hang", "hang", deadline=0.3), lab("strong"))
    answer = await layer.run("why")
    assert answer.response.model == "lab/strong" and answer.degraded


async def test_a_run_that_is_cancelled_leaves_nothing_open(up, lab):
    layer = Cascade(cheap(lab, "say:1", "say:2"), cheap(lab, "hang", "hang"))
    task = asyncio.ensure_future(layer.run("why"))
    await until(lambda: len(up.of("hang")) == 2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await up.idle()


async def test_it_works_among_proposers_with_samples_of_its_own(up, lab):
    inner = Cascade(cheap(lab, "say:1", "say:2"), lab("strong"))
    answer = await Sequential(Proposers(inner, lab("x"), samples=2), lab("lead")).run("why")
    assert len(answer.references) == 4 and len(up.of("strong")) == 2
    assert len({call.path for call in answer.calls}) == len(answer.calls)


async def test_a_budget_holds_back_what_the_dearest_writer_may_take(up, lab):
    strong = lab("strong", max_tokens=3000)
    layer = Sequential(Cascade(cheap(lab, "say:1", "say:2", max_tokens=100), strong), budget={"tokens": 9000})
    assert (await layer.run("why")).response.model == "lab/strong"


@pytest.mark.parametrize(
    ("stages", "options", "error", "message"),
    [
        ((), {}, ConfigError, "two stages or more"),
        (("demo/planner",), {}, ConfigError, "two stages or more"),
        (("demo/planner", "demo/editor"), {}, ShapeError, "stage 0: a single response has nothing to agree"),
        ((MoA(["demo/planner"], "demo/editor"), "demo/editor"), {}, ShapeError, "stage 0: a single response"),
        ("good", {"agree": 0}, ConfigError, "agree = 0"),
        ("good", {"agree": True}, ConfigError, "agree = True"),
        ("good", {"measure": 3}, ConfigError, "measure = 3"),
        ("good", {"measure": len, "judge": "demo/editor"}, ConfigError, "a measure and a judge"),
    ],
)
def test_what_cannot_work_is_refused(stages, options, error, message):
    stages = (MoA(["demo/planner"] * 2, "demo/editor"), "demo/editor") if stages == "good" else stages
    with pytest.raises(error, match=message):
        Cascade(*stages, **options)


def test_it_configures_shows_and_changes_itself():
    stage = MoA(["demo/planner", "demo/skeptic"], "demo/editor")
    plain = Cascade(stage, "demo/tinkerer", agree=0.5)
    judged = Cascade(stage, stage, "demo/tinkerer", judge="demo/skeptic")
    for layer in (plain, judged):
        config = layer.to_config()
        assert from_config(config) == layer and from_config(config).to_config() == config
    assert plain.to_config() == {
        "cascade": [stage.to_config(), "demo/tinkerer"], "agree": 0.5,
    }  # fmt: skip
    assert repr(plain).startswith("Cascade(agree=0.5\n  (0): MoA(")
    assert judged["3"] == moakit.Agent("demo/skeptic")
    assert judged.replace("3", "demo/editor")["3"] == moakit.Agent("demo/editor")
    assert plain.replace("0.0.1", "demo/editor")["0.0.1"] == moakit.Agent("demo/editor")
    with pytest.raises(MoaError, match="a measure is a function"):
        Cascade(stage, stage, measure=len).to_config()
