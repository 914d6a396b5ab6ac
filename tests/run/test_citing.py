"""`cite`: an answer is asked for marks that lead to its references, and they are checked."""

import pytest

import moakit
from moakit import (
    Aggregator,
    ConfigError,
    MoA,
    Proposers,
    Sequential,
    Template,
    Truncate,
    Until,
    from_config,
)
from moakit.prompts.citations import REQUEST
from tests.lab import references_in

SAYS = "say:Blue_[2]._Red_[7],_blue_[1][2]."


async def answered(ensemble, **options):
    return await ensemble.run("why", **options)


async def test_marks_are_asked_for_of_the_call_that_writes_the_answer_alone(up, lab):
    await MoA([lab("a"), lab("b")], lab("lead"), layers=3, cite=True).run("why")
    assert [call.messages[0]["content"].count(REQUEST) for call in up.of("lead")] == [1]
    assert not any(REQUEST in call.prompt for call in (*up.of("a"), *up.of("b")))


async def test_without_it_nothing_is_asked_and_nothing_is_touched(up, lab):
    for options in ({}, {"cite": False}):
        answer = await MoA([lab("a")], lab("say:Blue_[7]"), **options).run("why")
        assert (answer.text, answer.citations, answer.false_citations) == ("Blue [7]", (), 0)
    plain, off = up.of("say:Blue_[7]")
    assert plain.messages[0] == off.messages[0] and REQUEST not in plain.prompt


async def test_the_answer_tells_what_it_cites_and_false_marks_are_gone(up, lab):
    ensemble = MoA([lab("say:x"), lab("say:y")], Aggregator(lab(SAYS), cite=True))
    answer = await ensemble.run("why")
    assert answer.text == answer.response.text == answer.layers[-1][0].text == "Blue [2]. Red, blue [1][2]."
    assert answer.citations == (1, 0) and answer.false_citations == 1
    assert answer.references[answer.citations[0]].text == "y"
    assert not answer.degraded


async def test_streamed_it_has_been_shown_so_false_marks_are_only_counted(up, lab):
    ensemble = MoA([lab("say:x"), lab("say:y")], lab(SAYS), cite=True)
    async with ensemble.stream("why") as stream:
        text = "".join([text async for text in stream.text])
    answer = stream.answer
    assert text == answer.text == "Blue [2]. Red [7], blue [1][2]."
    assert answer.citations == (1, 0) and answer.false_citations == 1


async def test_streamed_whole_false_marks_are_gone(up, lab):
    ensemble = MoA([lab("say:x"), lab("say:y")], lab(SAYS), cite=True)
    async with ensemble.stream("why", answer=False) as stream:
        events = [event async for event in stream]
    assert stream.answer.text == "Blue [2]. Red, blue [1][2]."
    told = [event.response.text for event in events if type(event) is moakit.CallFinished]
    assert told[-1] == stream.answer.text


@pytest.mark.parametrize("layout", ["together", "council", Template(instructions="Mine.")])
async def test_every_layout_takes_the_request(up, lab, layout):
    await Sequential(Proposers(lab("a")), Aggregator(lab("lead"), prompt=layout, cite=True)).run("why")
    (call,) = up.of("lead")
    system = call.messages[0]["content"]
    assert system.count(REQUEST) == 1 and call.messages[-1]["role"] == "user"
    if isinstance(layout, Template):
        assert system == f"Mine.\n{REQUEST}"


async def test_a_layout_that_is_a_function_takes_it_too(up, lab):
    def joined(messages, references, seed):
        return [*messages, {"role": "user", "content": " & ".join(references)}]

    await Sequential(Proposers(lab("a")), Aggregator(lab("lead"), prompt=joined, cite=True)).run("why")
    assert up.of("lead")[0].messages[0] == {"role": "system", "content": REQUEST}


async def test_a_form_other_than_text_is_not_asked_for_marks(up, lab):
    ensemble = MoA([lab("a")], lab("say:[7]_[9]"), cite=True)
    answer = await ensemble.run("why", response_format={"type": "json_object"})
    assert answer.text == "[7] [9]" and REQUEST not in up.of("say:[7]_[9]")[0].prompt
    await ensemble.run("why", response_format={"type": "text"})
    assert REQUEST in up.of("say:[7]_[9]")[1].prompt


async def test_references_that_are_given_are_cited_by_their_places(up, lab):
    answer = await Aggregator(lab(SAYS), cite=True).run("why", references=["x", "y"])
    assert answer.citations == (1, 0)
    alone = await Sequential(lab(SAYS), cite=True).run("why")
    assert (alone.citations, alone.false_citations) == ((), 0) and "[7]" in alone.text


async def test_an_ensemble_that_aggregates_cites_what_its_last_call_reads(up, lab):
    inner = MoA([lab("say:x"), lab("say:y"), lab("say:z")], lab("say:Last_[3]."))
    answer = await MoA([lab("say:one")], inner, cite=True).run("why")
    assert answer.citations == (2,) and answer.references[2].text == "z"
    assert REQUEST not in up.of("say:x")[0].prompt


async def test_what_takes_the_place_of_the_answer_cites_nothing(up, lab):
    best = MoA([lab("say:kept_[1]")], lab("status:401"), cite=True, on_no_aggregator="best")
    answer = await best.run("why")
    assert (answer.text, answer.citations, answer.false_citations) == ("kept [1]", (), 0)
    chosen = Sequential(Proposers(lab("a")), Aggregator(lab(SAYS)), Truncate(2), cite=True)
    assert (await chosen.run("why")).citations == ()


async def test_a_fallback_cites_in_its_place(up, lab):
    answer = await MoA([lab("say:x")], lab("empty"), fallback=lab("say:So_[1]"), cite=True).run("why")
    assert answer.citations == (0,) and answer.degraded


async def test_of_several_rounds_the_last_ones_citations_count(up, lab):
    team = Sequential(Proposers(lab("say:x"), lab("say:y")), Aggregator(lab("say:So_[2]_[5]")))
    answer = await Until(team, times=2).run("why")
    assert answer.citations == ()
    cited = Sequential(Until(team, times=2), cite=True)
    answer = await cited.run("why")
    assert answer.text == "So [2]" and answer.citations == (1,)


async def test_a_broken_answer_that_is_continued_is_read_as_one(up, lab):
    up.behaves["first"] = "say:Blue_[1]_and_so_on+cut:2"
    ensemble = MoA(
        [lab("say:x"), lab("say:y")],
        lab("first"),
        fallback=lab("say:_red_[2]."),
        cite=True,
        on_cut="continue",
    )
    async with ensemble.stream("why") as stream:
        text = "".join([text async for text in stream.text])
    assert text == stream.answer.text
    assert stream.answer.citations == (0, 1)


def test_it_is_a_setting_like_any_other():
    with pytest.raises(ConfigError, match="cite = 'yes' is not true or false"):
        Aggregator("demo/editor", cite="yes")
    config = MoA(["demo/planner"], Aggregator("demo/editor", cite=True)).to_config()
    assert config["aggregator"] == {"aggregate": "demo/editor", "cite": True}
    assert from_config(config).to_config() == config
    assert "cite=True" in repr(from_config(config))


async def test_references_are_numbered_as_they_are_shown(up, lab):
    await MoA([lab("say:x"), lab("say:y")], lab("lead"), cite=True).run("why")
    assert references_in(up.of("lead")[0]) == ["x", "y"]
    assert "reference 2>>>\ny" in up.of("lead")[0].prompt
