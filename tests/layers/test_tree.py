"""The layer that aggregates in groups, and the groups' responses again."""

import asyncio

import pytest

import moakit
from moakit import (
    Aggregator,
    ConfigError,
    DeadlineExceeded,
    MoA,
    NotEnoughResponses,
    Proposers,
    Sequential,
    ShapeError,
    Tree,
)
from moakit.layers.tree import even
from tests.lab import follows, references_in, together, until
from tests.layers.refining import panel, texts

FIVE = ("say:1", "say:2", "say:3", "say:4", "say:5")


async def test_groups_are_aggregated_at_once_and_their_responses_again(up, lab):
    answer = await panel(lab, Tree(lab("lead+sleep:0.1"), fan=3), *FIVE).run("why")
    *groups, last = up.of("lead+sleep:0.1")
    assert sorted(map(references_in, groups)) == [["1", "2", "3"], ["4", "5"]]
    assert together(groups) and follows([last], groups)
    assert texts(answer.references) == references_in(last) and len(answer.references) == 2
    assert [call.path for call in answer.calls if call.role == "aggregator"][-1] == "1.0#2.0"
    assert not answer.degraded


@pytest.mark.parametrize(
    ("count", "fan", "calls", "steps"),
    [(1, 2, 0, 0), (2, 2, 1, 1), (3, 2, 2, 2), (4, 2, 3, 2), (5, 2, 4, 3), (9, 3, 4, 2), (4, 9, 1, 1)],
)
async def test_the_plan_is_what_happens(up, lab, count, fan, calls, steps):
    ensemble = Sequential(Proposers(lab("a", samples=count)), Tree(lab("lead"), fan=fan))
    answer = await ensemble.run("why")
    assert len(up.of("lead")) == calls and Tree("demo/editor", fan=fan).plan(count) == (calls, steps)
    assert ensemble.summary().calls == len(answer.calls) and ensemble.summary().steps == 1 + steps


def test_groups_are_as_even_as_can_be():
    assert [even(5, 4), even(3, 2), even(7, 3), even(4, 4)] == [[3, 2], [2, 1], [3, 2, 2], [4]]


async def test_only_the_last_call_streams(up, lab):
    async with panel(lab, Tree(lab("lead+tokens:3")), *FIVE).stream("why") as stream:
        assert "".join([text async for text in stream.text]) == "w1 w2 w3" == stream.answer.text
    assert [call.stream for call in up.of("lead+tokens:3")] == [False] * 3 + [True]


async def test_a_single_reference_is_the_response_and_is_sent_whole(up, lab):
    async with panel(lab, Tree(lab("lead")), "say:the_one").stream("why") as stream:
        assert [text async for text in stream.text] == ["the one"]


async def test_a_group_that_fails_is_done_without(up, lab):
    up.behaves["lead"] = "status:401+times:1"
    answer = await panel(lab, Tree(lab("lead"), fan=3), *FIVE).run("why")
    assert answer.degraded and len(up.of("lead")) == 2
    assert not answer.text.startswith("lead #3")


async def test_a_group_that_fails_gives_its_best_where_that_is_wanted(up, lab):
    up.behaves["lead"] = "status:401+times:1"
    answer = await panel(lab, Tree(lab("lead"), fan=3), *FIVE, on_no_aggregator="best").run("why")
    assert answer.degraded and len(answer.references) == 2


async def test_when_all_groups_fail_the_run_does(up, lab):
    with pytest.raises(NotEnoughResponses, match=r"no aggregator answered \(layer 2\)"):
        await panel(lab, Tree(lab("status:401")), *FIVE).run("why")


async def test_its_deadline_is_for_all_levels(up, lab):
    with pytest.raises((DeadlineExceeded, NotEnoughResponses)):
        await panel(lab, Tree(lab("hang"), deadline=0.3), *FIVE).run("why")
    await up.idle(1)


async def test_cancelled_in_the_middle_nothing_is_left_open(up, lab):
    task = asyncio.create_task(panel(lab, Tree(lab("hang")), *FIVE).run("why"))
    await until(lambda: len(up.of("hang")) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await up.idle(1)
    assert {call.status for call in up.of("hang")} == {"aborted"}


async def test_it_works_inside_other_layers_with_samples(up, lab):
    ensemble = MoA([panel(lab, Tree(lab("merge"))), lab("b")], lab("lead"), samples=2)
    answer = await ensemble.run("why")
    assert ensemble.summary().calls == len(answer.calls) and len(answer.references) == 4


async def test_a_budget_holds_the_last_call_back(up, lab):
    ensemble = panel(lab, Tree(lab("say:done", max_tokens=50)), *FIVE, budget={"tokens": 20_000})
    assert (await ensemble.run("why")).text == "done"
    up.reset()
    with pytest.raises(moakit.BudgetExceeded):
        await panel(lab, Tree(lab("say:done", max_tokens=50)), *FIVE, budget={"tokens": 100}).run("why")
    assert not up.calls


def test_what_does_not_fit_is_said_when_it_is_built():
    with pytest.raises(ShapeError, match="no references to aggregate"):
        Tree("demo/editor").shape(0)
    with pytest.raises(ConfigError, match="fan = 1 is not a whole number, 2 or more"):
        Tree("demo/editor", fan=1)


def test_it_is_made_again_from_its_configuration():
    for layer in (
        Tree("demo/editor"),
        Tree(Aggregator("demo/editor", fallback="demo/planner"), fan=3, quorum=2, deadline=2.5),
        Tree(MoA(["demo/planner"], "demo/editor")),
    ):
        again = moakit.from_config(layer.to_config())
        assert again == layer and repr(again) == repr(layer)
