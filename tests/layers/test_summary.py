"""The table that tells what a run will take."""

import pytest

import moakit
from moakit import (
    Agent,
    Aggregator,
    BestOf,
    Diverse,
    MoA,
    Price,
    Proposers,
    Provider,
    Ranker,
    Residual,
    Sequential,
    Voter,
)


def lab(price=None):
    return Provider("lab", base_url="http://127.0.0.1:1/v1", api_key="k", price=price)


def test_it_prints_itself():
    table = MoA(["demo/planner", "demo/skeptic"], "demo/editor", layers=3, name="panel").summary()
    assert (
        str(table)
        == repr(table)
        == """\
panel
   layer       in  out  calls  steps  tokens  dollars  seconds
──────────────────────────────────────────────────────────────
0  Proposers    0    2      2      1   2,000        0      6.8
1  Proposers    2    2      2      1   4,000        0      6.8
2  Aggregator   2    1      1      1   2,000        0      6.8
──────────────────────────────────────────────────────────────
   total                    5      3   8,000        0     20.2
estimated for a prompt of 500 tokens and responses of 500; 0.5 s and 80 tokens/s a call"""
    )


def test_in_a_notebook_it_is_a_table():
    shown = MoA(["demo/planner"], "demo/editor").summary()._repr_markdown_()
    assert "| 1 | Aggregator | 1 | 1 | 1 | 1 | 1,500 | 0 | 6.8 |" in shown


@pytest.mark.parametrize(
    ("ensemble", "calls", "steps", "shape"),
    [
        (Agent("demo/planner"), 1, 1, 1),
        (Agent("demo/planner", samples=3), 3, 1, 3),
        (Proposers("demo/planner", Agent("demo/skeptic", samples=2), samples=2), 6, 1, 6),
        (MoA(["demo/planner"] * 3, "demo/editor", layers=4), 10, 4, 1),
        (moakit.SelfMoA("demo/planner", samples=5), 6, 2, 1),
        (Proposers(MoA(["demo/planner"] * 2, "demo/editor"), "demo/skeptic", samples=2), 8, 2, 4),
        (Sequential("demo/planner", Residual(Proposers("demo/skeptic", "demo/planner"))), 3, 2, 3),
        (Aggregator(MoA(["demo/planner"], "demo/editor")), 2, 2, 1),
        (Sequential(Agent("demo/planner", samples=4), Ranker("demo/judge", by="pairs")), 4 + 12, 2, 1),
        (Sequential(Agent("demo/planner", samples=4), Residual(BestOf("demo/judge"))), 5, 2, 5),
        (Sequential(Agent("demo/planner", samples=4), Diverse(3), Voter()), 4, 1, 1),
    ],
)
def test_calls_and_steps_follow_from_the_layers(ensemble, calls, steps, shape):
    if not isinstance(ensemble, Aggregator):
        assert ensemble.shape(0) == shape
        assert (ensemble.summary().calls, ensemble.summary().steps) == (calls, steps)
    assert ensemble.plan() == (calls, steps)


def test_it_estimates_dollars_where_every_price_is_known():
    cheap, dear = lab(price=1.0), lab(price={"large": Price(10, 30)})
    ensemble = MoA([cheap("a"), cheap("b", max_tokens=100)], dear("large"))
    table = ensemble.summary(prompt_tokens=1000, answer_tokens=400)
    proposers = (1000 + 400) + (1000 + 100)
    aggregator = (1000 + 2 * 400) * 10 + 400 * 30
    assert table.cost == pytest.approx((proposers + aggregator) / 1e6)
    assert table.rows[0].cost == pytest.approx(proposers / 1e6)


def test_dollars_of_samples_are_counted_for_each_draw():
    cheap = lab(price=1.0)
    one = Proposers(cheap("a")).summary().cost
    assert Proposers(cheap("a"), samples=3).summary().cost == pytest.approx(3 * one)
    assert Proposers(cheap("a", samples=3)).summary().cost == pytest.approx(3 * one)
    assert Proposers(Sequential(cheap("a", samples=2)), samples=2).summary().cost == pytest.approx(4 * one)


def test_cost_is_none_when_any_price_is_unknown():
    table = MoA([lab(price=1.0)("a"), lab()("b")], lab(price=0)("lead")).summary()
    assert table.cost is None
    assert [row.cost for row in table.rows] == [None, 0]
    assert "?" in str(table)


def test_what_is_known_only_when_it_runs_is_a_question_mark():
    class Some(moakit.Layer):
        async def forward(self, prompt, references, run):
            return references

    rows = Sequential("demo/planner", Some(), Aggregator("demo/editor")).summary().rows
    assert [(row.takes, row.gives) for row in rows] == [(0, 1), (1, None), (None, 1)]


async def test_it_is_what_is_observed(up):
    price = Price(2, 6)
    provider = Provider("lab", base_url=up.base_url, api_key="k", price=price)
    ensemble = MoA([provider("a", samples=2), provider("b")], provider("lead"), layers=3)
    answer = await ensemble.run("why")
    assert len(answer.calls) == len(up.calls) == ensemble.summary().calls == 7
    assert [len(layer) for layer in answer.layers] == [row.gives for row in ensemble.summary().rows]
