"""The layer that puts a judge's notes before the references."""

import asyncio

import pytest

import moakit
from moakit import Analyse, ConfigError, Judged, ShapeError
from tests.lab import references_in, until
from tests.layers.refining import panel, texts, told

NOTES = (
    'say:{"consensus":_["all_agree"],_"contradictions":_["A_says_1,_B_says_2"],_"partial%5Fcoverage":_[],'
    '_"unique%5Finsights":_"only_C_knows",_"blind%5Fspots":_[]}'
)


async def test_the_notes_come_first_then_the_references_word_for_word(up, lab):
    up.behaves["judge"] = NOTES
    ensemble = panel(lab, Analyse(lab("judge")), lead="lead")
    answer, (judged,) = await told(ensemble, Judged)
    notes, *rest = answer.layers[1]
    assert rest == list(answer.layers[0]) and references_in(up.of("lead")[0]) == texts(answer.layers[1])
    assert notes.text == (
        "# Notes on the responses\n\n"
        "This is no response. The responses that follow are called A, B and C here, in their order.\n\n"
        "## Consensus\n\n- all agree\n\n"
        "## Contradictions\n\n- A says 1, B says 2\n\n"
        "## Partial coverage\n\nNone noted.\n\n"
        "## Unique insights\n\n- only C knows\n\n"
        "## Blind spots\n\nNone noted."
    )
    assert (notes.path, notes.role, notes.model) == ("1.0", "judge", "lab/judge")
    assert judged.verdict["unique_insights"] == ["only C knows"] and not answer.degraded
    assert ensemble.summary().calls == len(answer.calls) == 5 and ensemble.summary().steps == 3


async def test_the_judge_sees_the_responses_by_their_letters(up, lab):
    up.behaves["judge"] = NOTES
    await panel(lab, Analyse(lab("judge")), "say:one", "say:two", lead="lead").run("why")
    asked = up.of("judge")[0].prompt
    assert "response A>>>\none" in asked and "response B>>>\ntwo" in asked and "blind_spots" in asked


@pytest.mark.parametrize("said", ["say:They_all_agree.", 'say:{"consensus":_[1]}', "say:{}"])
async def test_notes_in_another_form_are_passed_on_as_prose(up, lab, said):
    up.behaves["judge"] = said
    answer, (judged,) = await told(panel(lab, Analyse(lab("judge")), lead="lead"), Judged)
    text = answer.layers[1][0].text
    assert text.startswith("# Notes on the responses") and text.endswith(said[4:].replace("_", " "))
    assert answer.degraded and judged.error.startswith("the notes are not in the form asked for")
    assert len(up.of("judge")) == 1


@pytest.mark.parametrize("judge", ["status:401", "hang"])
async def test_without_notes_the_references_go_on_alone(up, lab, judge):
    answer, (judged,) = await told(panel(lab, Analyse(lab(judge), deadline=0.3), lead="lead"), Judged)
    assert texts(answer.layers[1]) == ["one", "two", "three"]
    assert answer.degraded and judged.error and answer.duration < 5


async def test_when_strict_a_failed_judge_is_the_runs(up, lab):
    with pytest.raises(moakit.AuthenticationFailed):
        await panel(lab, Analyse(lab("status:401"), strict=True), lead="lead").run("why")


async def test_cancelled_in_the_middle_nothing_is_left_open(up, lab):
    task = asyncio.create_task(panel(lab, Analyse(lab("hang")), lead="lead").run("why"))
    await until(lambda: up.of("hang"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(1)


async def test_the_aggregator_after_it_streams(up, lab):
    up.behaves["judge"] = NOTES
    async with panel(lab, Analyse(lab("judge")), lead="lead+tokens:3").stream("why") as stream:
        assert "".join([text async for text in stream.text]) == "w1 w2 w3"


async def test_what_the_judge_notes_may_be_replaced(up, lab):
    up.behaves["judge"] = NOTES
    await panel(lab, Analyse(lab("judge"), instructions="Note the jokes."), lead="lead").run("why")
    assert up.of("judge")[0].messages[0]["content"] == "Note the jokes."


def test_what_does_not_fit_is_said_when_it_is_built():
    with pytest.raises(ShapeError, match="no references to compare"):
        Analyse("demo/judge").shape(0)
    with pytest.raises(ConfigError, match="a judge is an agent"):
        Analyse(moakit.MoA(["demo/planner"], "demo/editor"))
    with pytest.raises(ConfigError, match="give `instructions`"):
        Analyse("demo/judge", prompt="together")
    assert Analyse("demo/judge").shape(None) is None


def test_it_is_made_again_from_its_configuration():
    for layer in (Analyse("demo/judge"), Analyse("demo/judge", instructions="Note the jokes.", deadline=2.5)):
        again = moakit.from_config(layer.to_config())
        assert again == layer and repr(again) == repr(layer)
    with pytest.raises(ConfigError, match="analyse: expected one layer, got a list"):
        moakit.from_config({"analyse": ["demo/judge"]})
