"""Sub-questions side by side: who splits, what each is asked, what comes out."""

import asyncio
import contextlib

import pytest

import moakit
from moakit import (
    Aggregator,
    ConfigError,
    Judged,
    Map,
    MoA,
    MoaError,
    NotEnoughResponses,
    Proposers,
    Sequential,
    ShapeError,
    from_config,
)
from tests.lab import references_in, together, until


def into(*questions):
    return lambda prompt, references: list(questions)


def whole(layer, lab):
    return Sequential(layer, Aggregator(lab("lead")))


async def test_each_sub_question_is_asked_in_place_of_the_prompt_and_heads_its_response(up, lab):
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a long question"}]
    answer = await whole(Map(lab("say:yes"), split=into("One?", "Two?")), lab).run(prompt)
    assert [call.messages[-1]["content"] for call in up.of("say:yes")] == ["One?", "Two?"]
    assert all(call.messages[0] == prompt[0] for call in up.of("say:yes"))
    assert references_in(up.of("lead")[0]) == ["### One?\n\nyes", "### Two?\n\nyes"]
    assert "a long question" in up.of("lead")[0].prompt and "Be brief." in up.of("lead")[0].prompt
    assert [call.path for call in answer.calls] == ["0.0", "0.0#1", "1.0"] and not answer.degraded


async def test_they_are_asked_at_once(up, lab):
    await whole(Map(lab("sleep:0.2"), split=into("One?", "Two?", "Three?")), lab).run("why")
    assert together(up.of("sleep:0.2"))


async def test_an_agent_splits(up, lab):
    up.behaves["judge"] = 'say:Sure:_{"questions":["One?",_"Two?"]}'
    layer = whole(Map(lab("a"), split=lab("judge")), lab)
    async with layer.stream("why") as stream:
        verdicts = [event.verdict async for event in stream if type(event) is Judged]
    assert verdicts[-1] == {"questions": ["One?", "Two?"], "left_out": []}
    assert [call.messages[-1]["content"] for call in up.of("a")] == ["One?", "Two?"]
    assert stream.answer.calls[0].path == "0.1" and not stream.answer.degraded


async def test_its_plan_is_what_is_observed_when_there_are_that_many(up, lab):
    up.behaves["judge"] = 'say:{"questions":["One?","Two?","Three?"]}'
    inner = MoA([lab("a"), lab("b")], lab("c"))
    layer = whole(Map(inner, split=lab("judge"), most=3), lab)
    answer = await layer.run("why")
    assert len(answer.calls) == layer.plan().calls == 11 and layer.plan().steps == 4
    assert len({call.path for call in answer.calls}) == 11
    for call in answer.calls:
        assert layer[call.path].model == call.model


@pytest.mark.parametrize(
    "says",
    ["One? Two?", '{"questions":[]}', '{"questions":"One?"}', '{"questions":[1]}', '{"questions":[" "]}'],
)
async def test_where_an_agent_does_not_split_the_prompt_is_the_only_question(up, lab, says):
    up.behaves["judge"] = "say:" + says.replace(" ", "_")
    answer = await whole(Map(lab("say:yes"), split=lab("judge")), lab).run("why")
    assert answer.degraded and [one.text for one in answer.references] == ["yes"]
    assert up.of("say:yes")[0].messages[-1]["content"] == "why" and len(up.of("judge")) == 2


async def test_of_too_many_the_first_are_asked_and_the_run_is_degraded(up, lab):
    layer = whole(Map(lab("a"), split=into("1?", "2?", "3?"), most=2), lab)
    async with layer.stream("why") as stream:
        verdicts = [event.verdict async for event in stream if type(event) is Judged]
    assert verdicts == [{"questions": ["1?", "2?"], "left_out": ["3?"]}]
    assert stream.answer.degraded and len(up.of("a")) == 2


async def test_the_same_question_is_asked_once(up, lab):
    answer = await whole(Map(lab("a"), split=into("1?", " 1?\n")), lab).run("why")
    assert len(up.of("a")) == 1 and not answer.degraded


async def test_a_split_may_be_awaited_and_sees_the_references(up, lab):
    seen = []

    async def split(prompt, references):
        await asyncio.sleep(0)
        seen.extend(reference.text for reference in references)
        return ("1?",)

    layer = Sequential(
        Proposers(lab("say:x"), lab("say:y")), Map(Aggregator(lab("b")), split=split), lab("c")
    )
    await layer.run("why")
    assert seen == ["x", "y"] and references_in(up.of("b")[0]) == ["x", "y"]


@pytest.mark.parametrize("found", ["One?", [], [1], None, [""]])
async def test_a_split_that_returns_no_questions_is_a_mistake(up, lab, found):
    with pytest.raises(ConfigError, match="split returned"):
        await whole(Map(lab("a"), split=lambda prompt, references: found), lab).run("why")
    assert not up.calls


async def test_images_stay_with_each_question(up, lab):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "what and where"}, image]
    await whole(Map(lab("a"), split=into("What?")), lab).run([{"role": "user", "content": content}])
    assert up.of("a")[0].messages[-1]["content"] == [{"type": "text", "text": "What?"}, image]


async def test_joined_they_are_one_response(up, lab):
    answer = await Map(lab("say:yes"), split=into("One?", "Two?"), join=True).run("why")
    assert answer.text == "### One?\n\nyes\n\n### Two?\n\nyes"
    assert answer.response.usage == answer.usage and answer.response.cost == answer.cost == 0
    assert answer.response.model == "lab/say:yes"

    def join(questions, responses):
        return "; ".join(f"{q} {response.text}" for q, response in zip(questions, responses, strict=True))

    answer = await Map(lab("say:yes"), split=into("One?", "Two?"), join=join).run("why")
    assert answer.text == "One? yes; Two? yes"
    with pytest.raises(ConfigError, match="join returned None"):
        await Map(lab("a"), split=into("1?"), join=lambda questions, responses: None).run("why")


async def test_joined_at_the_tail_it_is_sent_whole(up, lab):
    async with Map(lab("say:yes"), split=into("One?"), join=True).stream("why") as stream:
        texts = [event.text async for event in stream if type(event) is moakit.Delta and event.answer]
    assert texts == ["### One?\n\nyes"]


async def test_one_that_fails_is_left_out_and_the_others_keep_their_questions(up, lab):
    up.behaves["a"] = "say:yes+status:500+should_retry:false+times:1"
    answer = await whole(Map(lab("a"), split=into("1?", "2?", "3?")), lab).run("why")
    assert answer.degraded and len(answer.failures) == 1
    failed = int(answer.failures[0].path.partition("#")[2] or 0)
    left = [f"{place + 1}?" for place in range(3) if place != failed]
    assert [one.text for one in answer.references] == [f"### {question}\n\nyes" for question in left]


async def test_all_are_waited_for_though_most_have_come(up, lab):
    up.behaves["a"] = "say:yes+sleep:0.5+times:1"
    layer = Sequential(Map(lab("a"), split=into("1?", "2?", "3?")), lab("lead"), grace=0, agreement=0.1)
    answer = await layer.run("why")
    assert len(answer.references) == 3 and not answer.degraded


async def test_one_that_is_too_late_is_left_out(up, lab):
    up.behaves["a"] = "say:yes+hang+times:1"
    layer = Sequential(Map(lab("a"), split=into("1?", "2?")), lab("lead"), deadline=1)
    answer = await layer.run("why")
    assert answer.degraded and len(answer.references) == 1


async def test_when_all_fail_every_cause_is_told(up, lab):
    with pytest.raises(NotEnoughResponses) as caught:
        await whole(Map(lab("status:401"), split=into("1?", "2?")), lab).run("why")
    assert len(caught.value.exceptions) == 2


@pytest.mark.parametrize("slow", ["judge", "a"])
async def test_a_run_that_is_cancelled_leaves_nothing_open(up, lab, slow):
    up.behaves |= {"judge": 'say:{"questions":["1?","2?"]}', slow: "hang"} | (
        {"judge": "hang"} if slow == "judge" else {}
    )
    task = asyncio.ensure_future(whole(Map(lab("a"), split=lab("judge")), lab).run("why"))
    await until(lambda: up.of(slow))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await up.idle()


async def test_it_works_among_proposers_with_samples_of_its_own(up, lab):
    inner = Map(lab("a", samples=1), split=into("1?", "2?"))
    answer = await Sequential(Proposers(inner, lab("x"), samples=2), lab("lead")).run("why")
    assert len(answer.references) == 6
    assert len({call.path for call in answer.calls}) == len(answer.calls) == 7


async def test_a_layer_that_gives_more_than_one_response_is_refused(up, lab):
    with pytest.raises(ShapeError, match="Map: the layer gives 2 responses"):
        Map(Proposers("demo/planner", "demo/skeptic"), split=into("1?"))

    class Several(moakit.Layer):
        async def forward(self, prompt, references, run):
            return [moakit.Response(text="a"), moakit.Response(text="b")]

    with pytest.raises(ShapeError, match="Map at 0: the layer gave 2 responses"):
        await whole(Map(Several(), split=into("1?")), lab).run("why")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"most": 0}, "most = 0"),
        ({"most": True}, "most = True"),
        ({"join": 1}, "join = 1"),
        ({"split": 3}, "split = 3"),
        ({"split": MoA(["demo/planner"], "demo/editor")}, "a judge is an agent"),
    ],
)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Map("demo/planner", **{"split": "demo/skeptic", **options})


def test_its_shape_is_known_when_joined():
    assert Map("demo/planner", split=into("1?")).shape(0) is None
    assert Map("demo/planner", split=into("1?"), join=True).shape(0) == 1


def test_it_configures_shows_and_changes_itself():
    layer = Map("demo/planner", split="demo/skeptic", most=3, join=True)
    assert layer.to_config() == {"map": "demo/planner", "split": "demo/skeptic", "most": 3, "join": True}
    assert from_config(layer.to_config()) == layer
    assert from_config({"map": "demo/planner", "split": "demo/skeptic"}) == Map(
        "demo/planner", split="demo/skeptic"
    )
    assert repr(layer).startswith("Map(most=3, join=True\n  (0): Agent(")
    assert layer.replace("1", "demo/editor")["1"] == moakit.Agent("demo/editor")
    assert layer.replace("0", "demo/editor")["0"] == moakit.Agent("demo/editor")
    for function in (
        Map("demo/planner", split=into("1?")),
        Map("demo/planner", split="demo/skeptic", join=print),
    ):
        with pytest.raises(MoaError, match="a function that splits or joins"):
            function.to_config()
