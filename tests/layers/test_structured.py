"""Answers in a JSON schema: checked, repaired once, merged by their fields."""

import json

import pytest

from moakit import CallRetried, MoA, SchemaMismatch

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "high": {"type": "integer"}, "tags": {"type": "array"}},
    "required": ["name", "high"],
    "additionalProperties": False,
}
ASKED = "how high is it"


def form(*, strict=True):
    return {"type": "json_schema", "json_schema": {"name": "hill", "schema": SCHEMA, "strict": strict}}


def saying(value):
    return "say:" + json.dumps(value).replace(" ", "_")


EVEREST = {"name": "Everest", "high": 8849}
GOOD = saying(EVEREST)


async def test_an_answer_that_fits_costs_one_call(up, lab):
    up.behaves["lead"] = GOOD
    answer = await lab("lead").run(ASKED, response_format=form())
    assert json.loads(answer.text) == EVEREST and len(up.calls) == 1
    assert up.calls[0].body["response_format"] == form()


async def test_a_fence_is_taken_off_without_a_call(up, lab):
    up.behaves["lead"] = "say:```json%0A" + GOOD.removeprefix("say:") + "%0A```"
    answer = await lab("lead").run(ASKED, response_format=form())
    assert json.loads(answer.text) == EVEREST and len(up.calls) == 1


@pytest.mark.parametrize("wrong", ["say:It_is_high", 'say:{"name":_"Everest"}', "say:[1]"])
async def test_the_same_agent_is_shown_what_is_wrong_once(up, lab, wrong):
    up.behaves["lead"] = f"{wrong}+{GOOD.replace('say:', 'then:')}"
    ensemble = MoA([lab("one"), lab("two")], lab("lead", system="Be brief"), multiturn=wrong != "say:[1]")
    answer = await ensemble.run([{"role": "user", "content": ASKED}], response_format=form())
    assert json.loads(answer.text) == EVEREST and not answer.degraded
    _, second = up.of("lead")
    assert second.messages[-2]["role"] == "assistant" and second.messages[-3]["content"] == ASKED
    assert "does not fit the JSON schema" in second.prompt and second.body["response_format"] == form()
    assert "Be brief" in second.messages[0]["content"]
    assert [call.path for call in answer.calls] == ["0.0", "0.1", "1.0", "1.0"]
    assert answer.usage.total_tokens == sum(call.usage.total_tokens for call in answer.calls)
    assert all(call.usage.total_tokens for call in answer.calls)


async def test_a_second_wrong_answer_is_an_error(up, lab):
    up.behaves["lead"] = 'say:{"name":_"Everest"}'
    ensemble = MoA([lab("one"), lab("two")], lab("lead"), on_no_aggregator="best")
    with pytest.raises(SchemaMismatch, match=r"lab/lead: .*JSON schema asked for: \$\.high is missing"):
        await ensemble.run(ASKED, response_format=form())
    assert len(up.of("lead")) == 2


async def test_where_the_form_is_not_strict_it_is_passed_on_degraded(up, lab):
    up.behaves["lead"] = "say:high"
    answer = await lab("lead").run(ASKED, response_format=form(strict=False))
    assert answer.text == "high" and answer.degraded and len(up.calls) == 2


@pytest.mark.parametrize(
    ("behaviour", "fields"),
    [
        ("say:high", {"response_format": {"type": "json_object"}}),
        ("say:high", {"response_format": {"type": "json_schema", "json_schema": 5}}),
        ("say:high+length", {"response_format": form()}),
        (
            "tool:look_up",
            {"response_format": form(), "tools": [{"type": "function", "function": {"name": "a"}}]},
        ),
        ("say:high", {"response_format": form(), "n": 2}),
    ],
)
async def test_what_is_not_checked_is_passed_on(up, lab, behaviour, fields):
    up.behaves["lead"] = behaviour
    answer = await lab("lead").run(ASKED, **fields)
    assert answer.text in ("high", "") and len(up.calls) == 1 and not answer.degraded


async def test_what_has_been_shown_is_not_taken_back(up, lab):
    up.behaves["lead"] = "say:high"
    async with lab("lead").stream(ASKED, response_format=form()) as stream:
        assert "".join([text async for text in stream.text]) == "high"
    assert len(up.calls) == 1


async def test_a_repair_is_told(up, lab):
    up.behaves["lead"] = f"say:high+{GOOD.replace('say:', 'then:')}"
    async with lab("lead").stream(ASKED, answer=False, response_format=form()) as stream:
        events = [event async for event in stream]
    (retried,) = [event for event in events if isinstance(event, CallRetried)]
    assert isinstance(retried.error, SchemaMismatch)


def panel(lab, **settings):
    return MoA([lab("one"), lab("two"), lab("three")], lab("lead"), retries=0, merge="fields", **settings)


@pytest.mark.parametrize("depth", [2, 3])
async def test_proposals_are_merged_by_their_fields_without_the_aggregator(up, lab, depth):
    up.behaves |= {
        "one": saying({"name": "Everest", "high": 8848, "tags": ["a"]}),
        "two": saying({"name": "Everest", "high": 8849, "tags": ["b", "a"]}),
        "three": saying({"name": "Mount Everest", "high": 8849}),
    }
    answer = await panel(lab, layers=depth).run(ASKED, response_format=form(), temperature=0.1)
    assert json.loads(answer.text) == {"name": "Everest", "high": 8849, "tags": ["a", "b"]}
    assert up.of("lead") == [] and len(up.calls) == 3 * (depth - 1)
    assert all(call.body["response_format"] == form() and "temperature" not in call.body for call in up.calls)
    assert len(answer.references) == 3 and answer.cost == 0 and not answer.degraded


@pytest.mark.parametrize(
    "said",
    [
        (
            saying({"name": "a", "high": 1}),
            saying({"name": "b", "high": 1}),
            saying({"name": "c", "high": 1}),
        ),
        (GOOD, "say:no_idea", "say:high"),
        (GOOD, "status:401", "say:high"),
    ],
)
async def test_where_they_cannot_be_merged_the_aggregator_writes(up, lab, said):
    up.behaves |= dict(zip(("one", "two", "three"), said, strict=True)) | {"lead": GOOD}
    answer = await panel(lab).run(ASKED, response_format=form())
    assert json.loads(answer.text) == EVEREST and len(up.of("lead")) == 1


async def test_a_merge_is_streamed_whole(up, lab):
    up.behaves |= dict.fromkeys(("one", "two", "three"), GOOD)
    async with panel(lab).stream(ASKED, response_format=form()) as stream:
        assert json.loads("".join([text async for text in stream.text])) == EVEREST


async def test_without_a_schema_nothing_is_merged(up, lab):
    for fields in ({}, {"response_format": {"type": "json_object"}}):
        up.reset()
        await panel(lab).run(ASKED, **fields)
        assert len(up.calls) == 4 and "response_format" not in up.of("one")[0].body
