"""A layer that is repeated until it changes nothing more, at most so many times."""

import asyncio
import contextlib

import pytest

import moakit
from moakit import (
    Aggregator,
    ConfigError,
    Delta,
    Judged,
    MoaError,
    Proposers,
    Residual,
    Sequential,
    ShapeError,
    Until,
    from_config,
)
from tests.lab import references_in, until


def ensemble(lab, editor, **options):
    return Sequential(Proposers(lab("say:one"), lab("say:two")), Until(Aggregator(lab(editor)), **options))


async def test_it_ends_once_nothing_changes(up, lab):
    editor = "say:first+then:second+then:second"
    answer = await ensemble(lab, editor, times=9).run("why")
    assert answer.text == "second" and not answer.degraded
    assert [references_in(call) for call in up.of(editor)] == [["one", "two"], ["first"], ["second"]]
    assert [call.path for call in answer.calls[2:]] == ["1.0.0", "1.0#1.0", "1.0#2.0"]


async def test_it_ends_after_so_many_rounds_in_any_case(up, lab):
    layer = ensemble(lab, "plain", times=4)
    answer = await layer.run("why")
    assert len(up.of("plain")) == 4 and len(answer.calls) == layer.plan().calls == 6
    assert layer.plan().steps == 5


async def test_each_comparison_is_told(up, lab):
    layer = ensemble(lab, "say:first+then:second", times=3)
    async with layer.stream("why") as stream:
        events = [event async for event in stream]
    verdicts = [event.verdict for event in events if type(event) is Judged]
    assert verdicts == [{"agreement": 0.0, "done": False}] * 2


async def test_several_texts_agree_whatever_their_order(up, lab):
    swap = Proposers(lab("say:two+then:one"), lab("say:one+then:two"))
    layer = Sequential(Proposers(lab("say:one"), lab("say:two")), Until(swap, times=5), lab("lead"))
    assert len((await layer.run("why")).calls) == 5


async def test_one_of_several_that_changes_is_no_agreement(up, lab):
    team = Proposers(lab("say:same"), lab("say:a+then:b+then:c"))
    layer = Sequential(Until(team, times=3), lab("lead"))
    assert len((await layer.run("why")).calls) == 7


async def test_a_measure_of_ones_own_decides(up, lab):
    seen = []

    def measure(texts):
        seen.append(texts)
        return 1.0

    answer = await ensemble(lab, "plain", measure=measure).run("why")
    assert len(answer.calls) == 3 and len(seen) == 2 and all(len(pair) == 2 for pair in seen)


async def test_it_may_stand_first(up, lab):
    answer = await Until(lab("say:same"), times=5).run("why")
    assert answer.text == "same" and len(answer.calls) == 2


async def test_a_later_round_that_fails_leaves_what_the_one_before_gave(up, lab):
    up.behaves["editor"] = "say:first"
    layer = Sequential(Proposers(lab("say:a"), lab("say:b")), Until(Fails(lab("editor"))))
    answer = await layer.run("why")
    assert answer.text == "first" and answer.degraded


class Fails(moakit.Layer):
    """Runs its agent once, then fails."""

    def __init__(self, agent):
        self.agent = agent

    async def forward(self, prompt, references, run):
        if len(references) == 1:
            raise moakit.BadResponse("broken")
        return await run(self.agent, prompt, references)

    def shape(self, references):
        return 1


async def test_a_first_round_that_fails_is_the_runs_error(up, lab):
    with pytest.raises(moakit.AuthenticationFailed):
        await ensemble(lab, "status:401").run("why")


async def test_a_last_round_that_breaks_off_while_it_streams_is_an_error(up, lab):
    up.behaves["editor"] = "tokens:9"
    layer = ensemble(lab, "editor", times=2)
    events = []
    async with layer.stream("why") as stream:
        async for event in stream:
            events.append(event)
            if type(event) is Judged:
                up.behaves["editor"] = "tokens:20+pace:0.01+cut:5"
    assert type(events[-1]) is moakit.RunFailed and "broke off" in str(events[-1].error)
    assert len(up.of("editor")) == 2


async def test_the_last_round_streams_and_an_earlier_one_is_sent_whole(up, lab):
    async def texts(layer):
        async with layer.stream("why") as stream:
            return [event.text async for event in stream if type(event) is Delta and event.answer]

    assert await texts(ensemble(lab, "say:one_two+pace:0.01", times=1)) == ["one", " two"]
    assert await texts(ensemble(lab, "say:one_two", times=3)) == ["one two"]


async def test_the_result_of_a_tool_is_read_once(up, lab):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    prompt = [
        {"role": "user", "content": "add"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    await ensemble(lab, "editor").run(prompt)
    assert [call.model for call in up.calls] == ["editor"] and up.calls[0].messages[-1] == prompt[-1]


async def test_a_run_that_is_cancelled_leaves_nothing_open(up, lab):
    task = asyncio.ensure_future(ensemble(lab, "sleep:60").run("why"))
    await until(lambda: up.of("sleep:60"))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await up.idle()


async def test_it_works_among_proposers_with_samples_of_its_own(up, lab):
    answer = await Sequential(Proposers(Until(lab("x"), times=2), lab("y"), samples=2), lab("lead")).run(
        "why"
    )
    assert len(answer.references) == 4
    assert len({call.path for call in answer.calls}) == len(answer.calls) == 7


async def test_a_budget_holds_back_its_last_round(up, lab):
    layer = ensemble(lab, "say:same", times=3)
    assert (await Sequential(layer, budget={"tokens": 100_000}).run("why")).text == "same"
    with pytest.raises(moakit.BudgetExceeded):
        await Sequential(layer, budget={"tokens": 50}).run("why")
    assert len(up.of("say:same")) == 2


def test_its_shape_is_known_where_it_stays_the_same():
    assert Until(Aggregator("demo/editor")).shape(3) == 1
    assert Until(Proposers("demo/planner", "demo/skeptic")).shape(5) == 2
    assert Until(Residual("demo/planner")).shape(2) is None
    assert Until(Residual("demo/planner"), times=1).shape(2) == 3
    with pytest.raises(ShapeError):
        Until(Aggregator("demo/editor")).shape(0)


class Pairs(moakit.Layer):
    """Wants two references and gives one."""

    async def forward(self, prompt, references, run):
        return references[:1]

    def shape(self, references):
        if references not in (None, 2):
            raise ShapeError("Pairs takes two")
        return 1


def test_a_layer_that_cannot_read_what_it_gives_is_refused():
    with pytest.raises(ShapeError, match="Until: the layer cannot read what it gives: Pairs takes two"):
        Until(Pairs())
    assert Until(Pairs(), times=1).shape(2) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": 0}, "times = 0"),
        ({"times": True}, "times = True"),
        ({"agreement": 0}, "agreement = 0"),
        ({"agreement": 1.1}, "agreement = 1.1"),
        ({"measure": "x"}, "measure = 'x'"),
    ],
)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Until("demo/planner", **options)


def test_it_configures_shows_and_changes_itself():
    layer = Until(Aggregator("demo/editor"), times=2)
    assert layer.to_config() == {"until": {"aggregate": "demo/editor"}, "times": 2, "agreement": 0.9}
    assert from_config(layer.to_config()) == layer
    assert repr(layer).startswith("Until(times=2, agreement=0.9\n  (0): Aggregator(")
    assert layer.replace("0.0", "demo/planner")["0.0"] == moakit.Agent("demo/planner")
    assert layer.replace("0", "demo/planner") == Until("demo/planner", times=2)
    with pytest.raises(MoaError, match="a measure is a function"):
        Until("demo/planner", measure=len).to_config()
