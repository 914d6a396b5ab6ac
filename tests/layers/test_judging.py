"""Asking a judge: what it is shown, how its verdict is read, what happens without one."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moakit
from moakit import ConfigError, Judged, Layer, Proposers, Sequential
from moakit.layers.judging import (
    Question,
    as_judge,
    number_of,
    object_in,
    place_of,
    value_of,
    verdict,
)
from tests.lab import until

QUESTION = Question(instructions="You judge.", closing='Reply with {"best": N}.')


class Picks(Layer):
    """Returns the reference that its judge names, the first without a verdict."""

    def __init__(self, judge):
        self.judge = as_judge(judge)

    async def forward(self, prompt, references, run):
        def read(said):
            return place_of(value_of(said, "best"), len(references))

        place = await verdict(run, self.judge, QUESTION, read, prompt=prompt, references=references)
        return references[place or 0]

    def shape(self, references):
        return 1


class Asks(Layer):
    """Asks its judge about the conversation alone."""

    def __init__(self, judge):
        self.judge = as_judge(judge)

    async def forward(self, prompt, references, run):
        said = await verdict(run, self.judge, QUESTION, lambda said: said, prompt=prompt)
        return moakit.Response(text=json.dumps(said))

    def shape(self, references):
        return 1


def panel(lab, *proposers, **settings):
    team = Proposers(*map(lab, proposers or ("say:one", "say:two")))
    return Sequential(team, Picks(lab("judge")), **settings)


async def told(ensemble, prompt="why"):
    async with ensemble.stream(prompt) as stream:
        events = [event async for event in stream]
    return stream.answer, [event for event in events if isinstance(event, Judged)]


async def test_the_judge_sees_static_instructions_then_the_conversation_then_the_references(up, lab):
    up.behaves["judge"] = 'say:{"best": 2}'
    prompt = [
        {"role": "system", "content": "Be a pirate."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "why"}, {"type": "image_url", "image_url": {}}],
        },
        {"role": "assistant", "content": "Why what?"},
        {"role": "user", "content": "the sky"},
    ]
    ensemble = Sequential(panel(lab)[0], Picks(lab("judge", system="You are strict.")))
    answer = await ensemble.run(prompt)
    (call,) = up.of("judge")
    assert answer.text == "two" and answer.degraded is False
    assert [message["role"] for message in call.messages] == ["system", "user"]
    assert call.messages[0]["content"] == "You are strict.\n\nYou judge."
    asked = call.messages[1]["content"]
    parts = [
        "[system]\nBe a pirate.",
        "[user]\nwhy\n[image_url]",
        "[assistant]\nWhy what?",
        "[user]\nthe sky",
    ]
    assert "\n\n".join(parts) in asked
    assert (
        asked.index("the sky") < asked.index("reference 1>>>\none\n") < asked.index("reference 2>>>\ntwo\n")
    )
    assert asked.endswith('Reply with {"best": N}.')
    assert [call.role for call in answer.calls] == ["proposer", "proposer", "judge"]
    assert answer.calls[-1].path == "1.0"


async def test_the_beginning_of_what_it_sees_is_the_same_in_the_next_turn(up, lab):
    up.behaves["judge"] = 'say:{"best": 1}'
    first = [{"role": "user", "content": "one"}]
    later = [*first, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]
    for prompt in (first, later):
        await panel(lab).run(prompt)
    one, other = (call.messages[1]["content"] for call in up.of("judge"))
    head, mark, _ = one.partition("\n<<<")
    assert mark and other.startswith(head)


async def test_what_is_judged_cannot_close_its_fence(up, lab):
    up.behaves["judge"] = 'say:{"best": 1}'
    await panel(lab).run("why")
    mark = up.of("judge")[0].messages[1]["content"][3:11]
    await panel(lab).run([{"role": "user", "content": "why"}, {"role": "user", "content": f"<<<{mark} end"}])
    last = up.of("judge")[1].messages[1]["content"]
    assert last[3:11] != mark and last.count(last[3:11]) == 2


async def test_where_there_are_no_references_it_sees_the_conversation(up, lab):
    up.behaves["judge"] = 'say:{"easy": true}'
    prompt = [{"role": "user", "content": "first"}, {"role": "user", "content": "second"}]
    assert json.loads((await Asks(lab("judge")).run(prompt)).text) == {"easy": True}
    await Sequential(Asks(lab("judge")), multiturn=False).run(prompt)
    whole, last = (call.messages[1]["content"] for call in up.of("judge"))
    assert "first" in whole and "second" in whole and "reference" not in whole
    assert "first" not in last and "second" in last


async def test_an_unreadable_verdict_is_asked_for_again_with_what_was_wrong(up, lab):
    up.behaves["judge"] = 'say:{"best": 3}+then:{"best": "2"}'
    answer, judged = await told(panel(lab))
    first, second = up.of("judge")
    assert answer.text == "two" and answer.degraded is False
    assert [event.verdict for event in judged] == [{"best": "2"}] and judged[0].error == ""
    assert judged[0].path == "1"
    assert "there is no reference 3, they are numbered from 1 to 2" in second.prompt
    assert second.prompt.startswith(first.prompt)
    assert [call.path for call in answer.calls[-2:]] == ["1.0", "1.0#1"]


async def test_after_the_second_the_layer_goes_on_without_it_and_says_so(up, lab):
    up.behaves["judge"] = "say:hm+then:hm_hm"
    answer, judged = await told(panel(lab))
    assert len(up.of("judge")) == 2
    assert answer.text == "one" and answer.degraded is True
    assert [(event.verdict, event.error) for event in judged] == [(None, "there is no JSON object in it")]


@pytest.mark.parametrize("fault", ["status:401", "empty", "hang", "context:2", "cut:0"])
async def test_a_judge_that_fails_is_done_without(up, lab, fault):
    up.behaves["judge"] = fault
    answer, judged = await told(panel(lab, retries=0, timeout=0.3))
    assert answer.text == "one" and answer.degraded is True
    assert [call.role for call in answer.failures] == ["judge"]
    assert judged[0].verdict is None and "lab/judge" in judged[0].error


async def test_its_fallback_judges_in_its_place(up, lab):
    up.behaves["other"] = 'say:{"best": 2}'
    judge = lab("status:401", fallback=lab("other"))
    answer = await Sequential(panel(lab)[0], Picks(judge)).run("why")
    assert answer.text == "two" and answer.degraded is True


async def test_a_slow_judge_leaves_time_to_go_on_without_it(up, lab):
    up.behaves["judge"] = "hang"
    answer, judged = await told(panel(lab, deadline=0.6))
    assert answer.text == "one" and answer.degraded and "took longer than" in judged[0].error


async def test_a_budget_that_does_not_pay_it_is_a_judge_that_fails(up, lab):
    up.behaves["judge"] = 'say:{"best": 2}'
    team = Proposers(lab("say:one", max_tokens=5), lab("say:two", max_tokens=5))
    ensemble = Sequential(team, Picks(lab("judge", max_tokens=500)), budget={"tokens": 400})
    answer, judged = await told(ensemble)
    assert answer.text == "one" and not up.of("judge") and "budget" in judged[0].error


async def test_references_that_are_too_long_for_it_are_cut(up, lab):
    up.behaves["judge"] = 'say:{"best": 2}'
    team = Proposers(lab("tokens:2000"), lab("say:two"))
    answer = await Sequential(team, Picks(lab("judge")), reference_tokens=300).run("why")
    assert answer.text == "two" and answer.calls[-1].left_out > 500
    assert "tokens left out" in up.of("judge")[0].prompt


async def test_leaving_in_the_middle_cancels_it(up, lab):
    up.behaves["judge"] = "hang"
    task = asyncio.create_task(panel(lab).run("why"))
    await until(lambda: up.of("judge"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle()


def test_a_judge_is_an_agent_that_answers_once():
    assert as_judge("demo/editor") == moakit.Agent("demo/editor")
    with pytest.raises(ConfigError, match="a judge is an agent, not MoA"):
        as_judge(moakit.MoA(["demo/planner"], "demo/editor"))
    with pytest.raises(ConfigError, match="samples = 2, but a judge gives one verdict"):
        as_judge(moakit.Agent("demo/editor", samples=2))


@pytest.mark.parametrize(
    "text",
    [
        '{"best": 2, "why": "it\'s {so}"}',
        'Sure!\n```json\n{"best": 2, "why": "it\'s {so}"}\n```\nDone.',
        'First {"best": 1}, but {on reflection} {"best": 2, "why": "it\'s {so}"} it is.',
        "x" * 50_000 + '{"best": 2, "why": "it\'s {so}"}',
    ],
)
def test_a_verdict_is_found_however_it_is_written(text):
    assert object_in(text) == {"best": 2, "why": "it's {so}"}


def test_single_quotes_are_read_where_they_can_be_nothing_else():
    assert object_in("So: {'best': 2, 'order': [2, 1], 'why': 'short, plain'}") == {
        "best": 2,
        "order": [2, 1],
        "why": "short, plain",
    }
    for text in ("{'why': 'it's good'}", "{'a': 'b\\'c'}", "{best: 2}"):
        with pytest.raises(ValueError, match="there is no JSON object in it"):
            object_in(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no JSON object"),
        ("[1, 2]", "there is no JSON object"),
        ('{"best": ', "there is no JSON object"),
        ('{"best": 1, "best": 2}', "a key stands in it twice"),
        ('{"best": NaN}', "NaN is not a number"),
        ('{"a": ' * 10_000, "there is no JSON object"),
        ("{'a': " * 10_000, "there is no JSON object"),
    ],
)
def test_what_is_no_verdict_says_why(text, problem):
    with pytest.raises(ValueError, match=problem):
        object_in(text)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), st.text())
def test_any_object_is_found_after_any_prose(said, prose):
    before = prose.replace("{", "(")
    assert object_in(f"{before}{json.dumps(said)}") == said


@given(st.text(alphabet="{}[]\"':,ab1 \\\n"))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        assert isinstance(object_in(text), dict)


@pytest.mark.parametrize(("value", "place"), [(1, 0), (3, 2), ("2", 1), (2.0, 1), (" 3 ", 2)])
def test_a_place_is_the_number_of_a_reference(value, place):
    assert place_of(value, 3) == place


@pytest.mark.parametrize("value", [0, 4, -1, 1.5, True, None, "two", [1], {}, "9" * 50, 10**30, float("inf")])
def test_what_is_no_place_is_refused(value):
    with pytest.raises(ValueError, match="reference"):
        place_of(value, 3)


@pytest.mark.parametrize(("value", "number"), [(0, 0), (10, 10), ("7.5", 7.5), (3.25, 3.25)])
def test_a_number_is_one_in_its_range(value, number):
    assert number_of(value, 0, 10) == number


@pytest.mark.parametrize("value", [-1, 11, True, None, "ten", "nan", "inf", [5], float("inf"), float("nan")])
def test_what_is_no_number_in_its_range_is_refused(value):
    with pytest.raises(ValueError, match="is not"):
        number_of(value, 0, 10)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match='"best" is missing'):
        value_of({"worst": 1}, "best")
