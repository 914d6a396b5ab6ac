"""The demo models."""

import pytest

import moakit
from moakit.errors import BadResponse, UnknownModel
from moakit.models.demo import LABEL, NAMES, DemoModel
from moakit.policies.retry import retryable
from moakit.prompts import LAYOUTS, compose
from tests.models.wire import Ear

VOICES = [name for name in NAMES if name not in ("broken", "cut", "slow")]
USER = [{"role": "user", "content": "What is the meaning of life?"}]


async def reply_of(name, messages=USER, ear=None, **parameters):
    return await DemoModel(name, pace=0).respond(messages, parameters, ear)


@pytest.mark.parametrize("name", [*VOICES, "slow"])
async def test_a_demo_model_says_that_it_is_none_and_costs_nothing(name):
    reply = await reply_of(name)
    assert reply.text.startswith(LABEL) and reply.cost == 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 6


@pytest.mark.parametrize("name", VOICES)
async def test_it_says_the_same_again_whole_and_streamed(name):
    ear = Ear()
    assert await reply_of(name) == await reply_of(name, ear=ear)
    assert ear.text() == (await reply_of(name)).text and len(ear.heard) > 5


async def test_every_voice_is_another():
    assert len({(await reply_of(name)).text for name in VOICES}) == len(VOICES)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_the_editor_merges_the_references_of_any_layout(layout):
    messages = compose(
        USER, ["First thing. More.", "Second thing."], system=None, layout=layout, seed="run_12345678"
    )
    text = (await reply_of("editor", messages)).text
    assert "2 references" in text and "- First thing.\n- Second thing." in text


async def test_the_judge_fills_in_the_form_it_is_asked_for_as_if_the_longest_were_the_best():
    layers = [
        (moakit.BestOf("demo/judge"), [2]),
        (moakit.MostConsistent("demo/judge"), [2]),
        (moakit.Ranker("demo/judge", keep=2), [1, 2]),
        (moakit.Ranker("demo/judge", by="pairs"), [2]),
    ]
    for layer, places in layers:
        judge = moakit.Agent(DemoModel("judge", pace=0))
        answer = await moakit.Sequential(Says("a", "a b", "a b c"), layer.replace("0", judge), Joins()).run(
            "?"
        )
        assert answer.text == " | ".join("a b c"[: 2 * place + 1] for place in places)
        assert answer.degraded is False
    assert "nothing to judge" in (await reply_of("judge")).text


class Says(moakit.Layer):
    """Gives these texts."""

    def __init__(self, *texts):
        self.texts = texts

    async def forward(self, prompt, references, run):
        return [moakit.Response(text=text) for text in self.texts]


class Joins(moakit.Layer):
    """Gives one response of all."""

    async def forward(self, prompt, references, run):
        return moakit.Response(text=" | ".join(reference.text for reference in references))


async def test_it_stops_at_max_tokens():
    reply = await reply_of("planner", max_tokens=3)
    assert (len(reply.text.split()), reply.finish_reason, reply.usage.completion_tokens) == (3, "length", 3)


async def test_a_full_reader_is_waited_for():
    ear = Ear(full=True)
    await reply_of("planner", ear=ear, max_tokens=3)
    assert ear.drained == 3


async def test_one_of_them_always_fails_and_is_not_asked_again():
    with pytest.raises(BadResponse) as caught:
        await reply_of("broken")
    assert caught.value.status == 500 and not retryable(caught.value)


@pytest.mark.parametrize(
    "prompt",
    [
        [{"role": "user", "content": None}],
        [{"role": "assistant", "content": "{x}"}],
        [{"role": "user", "content": "{0} %s"}],
    ],
)
async def test_any_prompt_has_an_answer(prompt):
    assert (await reply_of("planner", prompt)).text.startswith(LABEL)


def test_an_unknown_one_comes_with_the_nearest_name():
    with pytest.raises(UnknownModel, match="did you mean 'planner'"):
        DemoModel("planer")


async def test_one_of_them_breaks_off_and_is_continued_by_another():
    ear = Ear()
    with pytest.raises(BadResponse, match="breaks off"):
        await reply_of("cut", ear=ear)
    begun = {"role": "assistant", "content": ear.text()}
    rest = await reply_of("planner", [*USER, begun])
    assert ear.text() + rest.text == (await reply_of("planner")).text
