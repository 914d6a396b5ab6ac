"""The layer whose judge ranks the references."""

import asyncio
import re

import pytest

from moakit import (
    Aggregator,
    ConfigError,
    Delta,
    Judged,
    Layer,
    MoA,
    Proposers,
    Ranker,
    Residual,
    Response,
    Sequential,
    ShapeError,
)
from tests.lab import references_in, together, until

TEAM = ("say:one", "say:two", "say:three", "say:four")


def ranked(lab, *proposers, lead="lead", **options):
    team = Proposers(*map(lab, proposers or TEAM))
    return Sequential(team, Ranker(lab("judge"), **options), Aggregator(lab(lead)))


def kept(answer):
    return [reference.text for reference in answer.references]


async def test_by_scores_one_call_keeps_the_highest_in_the_order_they_were_declared(up, lab):
    up.behaves["judge"] = 'say:{"scores": [3, 9.5, 0, 10]}'
    ensemble = ranked(lab, keep=2)
    answer = await ensemble.run("why")
    assert kept(answer) == ["two", "four"] and references_in(up.of("lead")[0]) == ["two", "four"]
    assert answer.references[0] is answer.layers[0][1]
    assert ensemble.summary().calls == len(answer.calls) == 6 and ensemble.summary().steps == 3
    assert '{"scores": [N, N, N, N]}' in up.of("judge")[0].prompt
    assert answer.degraded is False


async def test_of_equal_ones_the_first_stays(up, lab):
    up.behaves["judge"] = 'say:{"scores": [1, 5, 5, 5]}'
    assert kept(await ranked(lab, keep=2).run("why")) == ["two", "three"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('{"scores": [1, 2, 3]}', "is not a list of 4 numbers"),
        ('{"scores": 3}', "is not a list of 4 numbers"),
        ('{"scores": [1, 2, 3, 11]}', "11 is not between 0 and 10"),
        ('{"scores": [1, 2, 3, null]}', "null is not a number"),
        ('{"best": 2}', '"scores" is missing'),
    ],
)
async def test_scores_that_mean_nothing_are_no_verdict(up, lab, said, problem):
    up.behaves["judge"] = f"say:{said}"
    up.behaves["agrees"] = "say:two_three"
    async with ranked(lab, "say:one", "say:two_three_four", "agrees", "say:ten", keep=2).stream(
        "why"
    ) as stream:
        (judged,) = [event async for event in stream if isinstance(event, Judged)]
    assert problem in judged.error and len(up.of("judge")) == 2
    # In its place: those most alike the others.
    assert kept(stream.answer) == ["two three four", "two three"] and stream.answer.degraded


async def test_by_pairs_each_two_are_compared_both_ways_round_at_once(up, lab):
    up.behaves["judge"] = 'say:{"better": 1}+sleep:0.1'
    ensemble = ranked(lab, "say:one", "say:two", "say:three", by="pairs")
    answer = await ensemble.run("why")
    calls = up.of("judge")
    assert ensemble.summary().calls == len(answer.calls) == 3 + 6 + 1 and ensemble.summary().steps == 3
    shown = sorted(tuple(re.findall(r"reference \d>>>\n(\w+)\n", call.prompt)) for call in calls)
    assert shown == sorted(
        [
            ("one", "two"),
            ("two", "one"),
            ("one", "three"),
            ("three", "one"),
            ("two", "three"),
            ("three", "two"),
        ]
    )
    assert together(calls)
    # It always prefers what stands first, so all are equal.
    assert kept(answer) == ["one"] and answer.degraded is False
    paths = [call.path for call in answer.calls if call.role == "judge"]
    assert sorted(paths) == ["1.0", *(f"1.0#{number}" for number in range(1, 6))]


async def test_two_verdicts_that_agree_are_a_win(up, lab):
    # The calls arrive in the order of the pairs: (one, two), (two, one).
    up.behaves["judge"] = 'say:{"better": 2}+then:{"better": 1}'
    assert kept(await ranked(lab, "say:one", "say:two", by="pairs").run("why")) == ["two"]


async def test_a_draw_is_half_a_point_for_both(up, lab):
    # one-two is a draw, one-three is won by three, two-three is a draw.
    verdicts = [0, 0, 2, 1, 0, 0]
    first, *later = ['{"better": %d}' % number for number in verdicts]  # noqa: UP031 - braces
    up.behaves["judge"] = f"say:{first}" + "".join(f"+then:{said}" for said in later)
    assert kept(await ranked(lab, "say:one", "say:two", "say:three", by="pairs").run("why")) == ["three"]


async def test_a_pair_without_a_verdict_is_a_draw_and_degrades_the_run(up, lab):
    up.behaves["judge"] = 'status:400+times:1+say:{"better": 2}+then:{"better": 1}'
    answer = await ranked(lab, "say:one", "say:two", by="pairs").run("why")
    assert kept(answer) == ["one"] and answer.degraded is True


async def test_without_any_verdict_those_most_alike_stay(up, lab):
    up.behaves["judge"] = "status:401"
    answer = await ranked(lab, "say:ten", "say:two_three_four", "say:two_three", by="pairs").run("why")
    assert kept(answer) == ["two three four"] and answer.degraded is True


@pytest.mark.parametrize("by", ["scores", "pairs"])
async def test_where_all_are_kept_nobody_is_asked(up, lab, by):
    ensemble = ranked(lab, keep=4, by=by)
    answer = await ensemble.run("why")
    assert len(kept(answer)) == 4 and not up.of("judge")
    assert ensemble.summary().calls == len(answer.calls) == 5


@pytest.mark.parametrize("by", ["scores", "pairs"])
async def test_leaving_in_the_middle_cancels_every_comparison(up, lab, by):
    up.behaves["judge"] = "hang"
    task = asyncio.create_task(ranked(lab, by=by).run("why"))
    await until(lambda: len(up.of("judge")) == (1 if by == "scores" else 12))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle()


async def test_its_deadline_leaves_time_for_the_aggregator(up, lab):
    up.behaves["judge"] = "hang"
    team = Proposers(*map(lab, TEAM))
    ensemble = Sequential(team, Ranker(lab("judge"), by="pairs"), Aggregator(lab("lead")), deadline=0.8)
    answer = await ensemble.run("why")
    assert answer.degraded and len(kept(answer)) == 1 and not up.open


async def test_at_the_tail_what_it_keeps_is_sent_whole(up, lab):
    up.behaves["judge"] = 'say:{"scores": [0, 9]}'
    ensemble = Sequential(Proposers(lab("say:one"), lab("tokens:30+pace:0.002")), Ranker(lab("judge")))
    async with ensemble.stream("why", proposers=True) as stream:
        told = [event async for event in stream if isinstance(event, Delta)]
    answers = [event for event in told if event.answer]
    assert [event.text for event in answers] == [stream.answer.text] and len(told) > 4
    assert told[-1] is answers[0] and stream.answer.text.endswith("w30")
    assert kept(stream.answer)[0] == "one"


async def test_it_stands_inside_other_layers_and_is_sampled_with_them(up, lab):
    up.behaves["judge"] = 'say:{"scores": [0, 9]}'
    inner = Sequential(Proposers(lab("say:one"), lab("say:two")), Ranker(lab("judge", seed=5)))
    answer = await Sequential(Proposers(inner, samples=2), Residual(inner), Aggregator(lab("lead"))).run(
        "why"
    )
    assert kept(answer) == ["two"] * 3
    assert sorted(call.body["seed"] for call in up.of("judge")) == [5, 5, 6]
    assert {call.path for call in answer.calls if call.role == "judge"} == {
        "0.0#0.1.0",
        "0.0#1.1.0",
        "1.0.1.0",
    }


async def test_when_no_proposal_came_the_aggregator_may_answer_alone(up, lab):
    up.behaves["judge"] = "say:hm"
    team = Proposers(lab("status:401"), lab("status:401"))
    layers = (team, Ranker(lab("judge")), Aggregator(lab("say:alone")))
    answer = await Sequential(*layers, on_no_references="answer").run("why")
    assert answer.text == "alone" and answer.degraded and not up.of("judge")


async def test_what_is_held_back_for_the_aggregator_are_the_references_it_will_read(up, lab):
    seen = []

    class Looks(Layer):
        async def forward(self, prompt, references, run):
            for layers in (
                (Proposers(*[lab("a", max_tokens=100)] * 4), Ranker(lab("judge", max_tokens=7), keep=2)),
                (Proposers(*[lab("a", max_tokens=100)] * 2),),
            ):
                last = Sequential(*layers, Aggregator(lab("lead"))).last_call(prompt, references, run)
                seen.append(last.estimates[0].prompt)
            return Response(text="seen")

    await Looks().run("why")
    assert seen[0] == seen[1] > 200


def test_its_shape_is_what_it_keeps():
    assert Ranker("demo/judge").shape(None) == Ranker("demo/judge").shape(3) == 1
    assert Ranker("demo/judge", keep=2).shape(None) is None
    assert [Ranker("demo/judge", keep=2).shape(count) for count in (1, 2, 5)] == [1, 2, 2]
    with pytest.raises(ShapeError, match="Ranker has no references"):
        Sequential(Ranker("demo/judge"), "demo/editor").summary()


def test_its_plan_counts_the_pairs():
    by_pairs = Ranker("demo/judge", keep=2, by="pairs")
    assert [by_pairs.plan(count).calls for count in (0, 2, 3, 4, 5)] == [0, 0, 6, 12, 20]
    assert by_pairs.plan(None) == (6, 1)
    team = MoA(["demo/planner"] * 3, "demo/editor")
    assert Sequential(Proposers(team, team, team), by_pairs, "demo/editor").plan() == (3 * 4 + 6 + 1, 4)


def test_it_shows_what_is_not_the_default():
    assert repr(Ranker("demo/judge", keep=2)) == "Ranker(keep=2\n  (0): Agent('demo/judge')\n)"
    assert Ranker("demo/judge").to_config() == {"rank": "demo/judge"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"keep": 0}, "keep = 0 is not a whole number, 1 or more"),
        ({"keep": True}, "keep = True"),
        ({"by": "luck"}, "by = 'luck' is not"),
    ],
)
def test_what_it_cannot_be_is_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        Ranker("demo/judge", **options)


def test_another_judge_has_to_be_a_judge():
    ranker = Ranker("demo/judge", keep=2)
    assert ranker.replace("0", "demo/editor") == Ranker("demo/editor", keep=2)
    with pytest.raises(ConfigError, match="a judge is an agent, not MoA"):
        ranker.replace("0", MoA(["demo/planner"], "demo/editor"))
