"""The layer in which reviewers rank the references without knowing who wrote them."""

import asyncio
import json
import re

import pytest

import moakit
from moakit import (
    ConfigError,
    Council,
    Judged,
    NotEnoughResponses,
    PeerReview,
    Proposers,
    Sequential,
    ShapeError,
)
from moakit.layers.lettered import letter, ranking_of
from tests.lab import references_in, together, until
from tests.layers.refining import panel, texts, told

LETTERED = re.compile(r"<<<\w+ response ([A-Z]+)>>>\n(.*?)(?=\n<<<)", re.DOTALL)


def shown(call):
    """Return what a reviewer was shown, by letter."""
    return dict(LETTERED.findall(call.prompt))


def ranks(*best_first):
    """Return a measure of a model: it ranks texts in this order whatever their letters are."""
    return "say:" + json.dumps({"ranking": list(best_first)}).replace("_", "%5F")


async def test_every_reviewer_sees_all_in_an_order_of_its_own_and_nobodys_name(up, lab):
    names = [f"r{number}" for number in range(8)]
    for name in names:
        up.behaves[name] = ranks("A", "B", "C") + "+sleep:0.1"
    await panel(lab, PeerReview(*map(lab, names))).run("why")
    calls = [call for name in names for call in up.of(name)]
    assert len(calls) == 8 and together(calls)
    assert all(sorted(shown(call).values()) == ["one", "three", "two"] for call in calls)
    assert all(list(shown(call)) == ["A", "B", "C"] for call in calls)
    assert len({tuple(shown(call).values()) for call in calls}) > 1
    assert not any("lab/" in call.prompt or "say:" in call.prompt for call in calls)


async def test_the_rankings_are_added_up_and_told(up, lab):
    for name in ("x", "y", "z"):
        up.behaves[name] = ranks("B", "C", "A")
    ensemble = panel(lab, PeerReview(lab("x"), lab("y"), lab("z"), keep=2), lead="lead")
    answer, judged = await told(ensemble, Judged)
    points = dict.fromkeys(("one", "two", "three"), 0)
    for name in ("x", "y", "z"):
        seen = shown(up.of(name)[0])
        for letter_, one in (("B", 2), ("C", 1)):
            points[seen[letter_]] += one
    tally = judged[-1].verdict["tally"]
    by_text = {answer.layers[0][row["reference"] - 1].text: row["points"] for row in tally}
    assert by_text == points and judged[-1].verdict["reviews"] == 3
    assert [row["points"] for row in tally] == sorted(points.values(), reverse=True)
    best = [answer.layers[0][row["reference"] - 1] for row in tally][:2]
    assert answer.layers[1] == tuple(best) and references_in(up.of("lead")[0]) == texts(best)
    assert [(row["path"], row["model"]) for row in tally[:2]] == [(one.path, one.model) for one in best]
    assert not answer.degraded and len(answer.calls) == ensemble.summary().calls == 7


async def test_what_is_kept_is_sent_whole_and_word_for_word(up, lab):
    up.behaves["x"] = ranks("A", "B")
    async with panel(lab, PeerReview(lab("x")), "say:this", "say:that").stream("why") as stream:
        pieces = [text async for text in stream.text]
    assert pieces == [shown(up.of("x")[0])["A"]] == [stream.answer.text]


async def test_a_single_reference_takes_no_call(up, lab):
    answer = await panel(lab, PeerReview(lab("x")), "say:alone").run("why")
    assert answer.text == "alone" and len(answer.calls) == 1
    assert PeerReview("demo/planner").plan(1) == (0, 0) and PeerReview("demo/planner").plan(2) == (1, 1)


async def test_a_reviewer_without_a_ranking_is_asked_again_then_done_without(up, lab):
    up.behaves["good"] = ranks("A", "B", "C")
    up.behaves["bad"] = ranks("A", "A", "B")
    review = PeerReview(lab("bad"), lab("good"), lab("status:401"))
    answer, judged = await told(panel(lab, review), Judged)
    assert answer.degraded and answer.text == shown(up.of("good")[0])["A"]
    assert len(up.of("bad")) == 2 and "stands in the ranking twice" in up.of("bad")[1].prompt
    assert judged[-1].verdict["reviews"] == 1


async def test_without_any_ranking_the_references_that_agree_come_first(up, lab):
    proposers = ("say:the_sky_is_blue", "say:sky_is_blue_of_course", "say:no_idea")
    answer, judged = await told(panel(lab, PeerReview(lab("say:none")), *proposers), Judged)
    assert answer.degraded and answer.text == "sky is blue of course"
    assert judged[-1].error.startswith("there is no ranking")


async def test_a_minimum_of_its_own_and_strict_are_kept(up, lab):
    with pytest.raises(NotEnoughResponses, match=r"no reviewer answered \(layer 2\)"):
        await panel(lab, PeerReview(lab("say:none"), minimum=1)).run("why")
    with pytest.raises(moakit.MoaError, match="gave no ranking"):
        await panel(lab, PeerReview(lab("say:none"), strict=True)).run("why")


async def test_a_late_reviewer_is_not_waited_for(up, lab):
    up.behaves["good"] = ranks("A", "B", "C")
    answer = await panel(lab, PeerReview(lab("hang"), lab("good"), deadline=1)).run("why")
    assert answer.degraded and answer.text == shown(up.of("good")[0])["A"] and answer.duration < 8


async def test_cancelled_in_the_middle_nothing_is_left_open(up, lab):
    task = asyncio.create_task(panel(lab, PeerReview(lab("hang"), lab("hang"))).run("why"))
    await until(lambda: len(up.of("hang")) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(1)


async def test_what_the_reviewers_judge_by_may_be_replaced(up, lab):
    up.behaves["x"] = ranks("A", "B", "C")
    await panel(lab, PeerReview(lab("x"), instructions="Rank by wit.")).run("why")
    assert up.of("x")[0].messages[0]["content"] == "Rank by wit."


async def test_a_council_answers_reviews_and_lets_its_chair_write(up, lab):
    members = [lab("say:one"), lab("say:two")]
    up.behaves["x"] = ranks("B", "A")
    council = Council(members, lab("lead+tokens:3"), reviewers=[lab("x"), lab("x")])
    async with council.stream("why") as stream:
        assert "".join([text async for text in stream.text]) == "w1 w2 w3"
    answer = stream.answer
    assert [call.role for call in answer.calls] == ["proposer", "proposer", "judge", "judge", "aggregator"]
    assert council.summary().calls == 5 and council.summary().steps == 3 and not answer.degraded
    (call,) = up.of("lead+tokens:3")
    assert "You chair a council" in call.prompt and references_in(call) == texts(answer.layers[1])


async def test_by_default_the_members_review_each_other(up, lab):
    council = Council([lab("a", samples=2), lab("b")], lab("lead"), keep=1)
    assert council[1] == PeerReview(lab("a"), lab("b"), keep=1)
    assert len((await council.run("why")).references) == 1


def test_what_does_not_fit_is_said_when_it_is_built():
    with pytest.raises(ShapeError, match="no references to rank"):
        PeerReview("demo/planner").shape(0)
    with pytest.raises(ConfigError, match="at least one reviewer"):
        PeerReview()
    with pytest.raises(ConfigError, match="keep = 0"):
        PeerReview("demo/planner", keep=0)
    with pytest.raises(ConfigError, match="give `instructions`"):
        PeerReview("demo/planner", prompt="together")
    with pytest.raises(ConfigError, match="MoA is a member that cannot review"):
        Council([moakit.MoA(["demo/planner"], "demo/editor")], "demo/editor")
    with pytest.raises(ShapeError, match="ends in 2 responses"):
        Sequential(Proposers("demo/planner", "demo/skeptic"), PeerReview("demo/editor", keep=2))("why")


@pytest.mark.parametrize(
    ("given", "places"),
    [
        (["B", "A", "C"], [1, 0, 2]), (["response b", "A", "C"], "without B"),
        (["Response B", "Response A", "Response C"], [1, 0, 2]), ("B > C > A", [1, 2, 0]),
        (["b", "a", "c"], [1, 0, 2]), (["A", "B"], "without C"), (["A", "B", "D"], "no response D"),
        (["A", "A", "B", "C"], "twice"), ([1, 2, 3], "not a list of letters"), (None, "not a list"),
    ],
)  # fmt: skip
def test_a_ranking_is_read_leniently_in_form_and_strictly_in_meaning(given, places):
    if isinstance(places, list):
        assert ranking_of(given, 3) == places
    else:
        with pytest.raises(ValueError, match=places):
            ranking_of(given, 3)


def test_letters_go_on_after_z():
    assert [letter(place) for place in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]


def test_it_is_made_again_from_its_configuration():
    for layer in (
        PeerReview("demo/planner"),
        PeerReview("demo/planner", "demo/skeptic", keep=2, instructions="Rank by wit.", quorum=1),
        Council(["demo/planner", "demo/skeptic"], "demo/editor"),
        Council(
            ["demo/planner", moakit.Agent("demo/skeptic", samples=2)],
            moakit.Aggregator("demo/editor", prompt="together"),
            reviewers=["demo/planner"], keep=2, name="c", bench=["demo/editor"], deadline=30.5,
        ),
        Council(["demo/planner"], "demo/editor", fallback="demo/skeptic", samples=2),
    ):  # fmt: skip
        again = moakit.from_config(layer.to_config())
        assert again == layer and repr(again) == repr(layer)
        assert again.to_config() == layer.to_config()
    assert moakit.from_config({"peer_review": "demo/planner"}) == PeerReview("demo/planner")
