"""What a run may spend: refused before a call is made, settled after it, and nothing left behind."""

import asyncio
import contextlib
import random
import re

import pytest

import moakit
from moakit import (
    Aggregator,
    BudgetExceeded,
    CallFailed,
    ConfigError,
    Layer,
    MoA,
    NotEnoughResponses,
    Price,
    Proposers,
    Provider,
    Sequential,
)
from moakit.policies.budget import Budget, Limits
from moakit.run.journey import Journey
from moakit.types import as_prompt

RUNS, FIT = 64, 20
EACH = 5 + 10
"""What a call for "why" with ten tokens of answer reserves."""


@pytest.fixture
def priced(up):
    return Provider("lab", base_url=up.base_url, api_key="k", price=Price(1, 10))


def short(provider, name="tokens:10", **options):
    return provider(name, max_tokens=10, **options)


def spent_by(layer, budget, **parameters):
    """Start a run that spends of a budget it shares."""
    return Journey(budgets=(budget,), parameters=parameters).execute(layer, as_prompt("why"))


async def share_of(layer):
    """Return the tokens that are held back for a layer's last call."""
    with pytest.raises(BudgetExceeded) as caught:
        await spent_by(layer, Budget(Limits(1)))
    return int(re.search(r"([\d,]+) asked", str(caught.value))[1].replace(",", ""))


# At the edge of a budget


async def test_at_the_edge_exactly_as_many_runs_succeed_as_fit(up, lab):
    budget = Budget(Limits(FIT * EACH))
    layer = short(lab, "tokens:10+sleep:0.5")
    ended = await asyncio.gather(*(spent_by(layer, budget) for _ in range(RUNS)), return_exceptions=True)
    answers = [one for one in ended if not isinstance(one, BaseException)]
    assert len(answers) == FIT == len(up.calls)
    assert {type(one) for one in ended if isinstance(one, BaseException)} == {BudgetExceeded}
    used = sum(answer.usage.total_tokens for answer in answers)
    assert budget.spent.tokens == used <= FIT * EACH and budget.reserved == (0, 0)


async def test_at_the_edge_of_dollars_too(up, priced):
    each = (5 * 1 + 10 * 10) / 1e6
    budget = Budget(Limits(dollars=FIT * each))
    layer = short(priced, "tokens:10+sleep:0.5")
    ended = await asyncio.gather(*(spent_by(layer, budget) for _ in range(RUNS)), return_exceptions=True)
    answers = [one for one in ended if not isinstance(one, BaseException)]
    assert len(answers) == FIT
    assert budget.spent.dollars == pytest.approx(sum(answer.cost for answer in answers))
    assert budget.spent.dollars <= FIT * each and budget.reserved == (0, 0)


async def test_ensembles_at_the_edge_spend_no_more_and_leave_nothing(up, lab):
    ensemble = MoA([short(lab), short(lab)], short(lab), retries=0)
    whole = await share_of(ensemble) + 2 * EACH
    budget = Budget(Limits(8 * whole))
    ended = await asyncio.gather(*(spent_by(ensemble, budget) for _ in range(RUNS)), return_exceptions=True)
    answers = [one for one in ended if not isinstance(one, BaseException)]
    errors = [one for one in ended if isinstance(one, BaseException)]
    assert len(answers) >= 8 and all(isinstance(one, BudgetExceeded | NotEnoughResponses) for one in errors)
    used = sum(call.completion_tokens for call in (answer.usage for answer in answers))
    assert 0 < used <= budget.spent.tokens <= budget.limits.tokens and budget.reserved == (0, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_stays_reserved_after_cancellations(up, lab, seed):
    chance = random.Random(seed)
    budget = Budget(Limits(100_000))
    faults = ["tokens:10", "sleep:0.1+tokens:5", "hang", "status:500", "reset", "cut:3", "empty"]
    ensemble = MoA(
        [short(lab, fault) for fault in faults], short(lab, "tokens:9+pace:0.01"), quorum=2, grace=0.05
    )
    tasks = [asyncio.create_task(spent_by(ensemble, budget)) for _ in range(32)]
    for task in chance.sample(tasks, 16):
        await asyncio.sleep(chance.uniform(0, 0.05))
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, moakit.Answer) for one in ended) >= 16
    assert budget.reserved == (0, 0) and 0 < budget.spent.tokens < 100_000


# What an attempt costs


@pytest.mark.parametrize(
    ("fault", "spent"),
    [
        ("tokens:3", 1 + 3),
        ("tokens:30", 1 + 30),
        ("tokens:3+nousage", EACH),
        ("status:401", 0),
        ("status:500", 0),
        # Repeated once for free; neither says whether it was billed.
        ("reset", 2 * EACH),
        ("cut:3", EACH),
        ("hang", EACH),
        ("empty", 1),
    ],
)
async def test_what_an_attempt_counts_as(up, lab, fault, spent):
    budget = Budget(Limits(1000))
    alone = Sequential(short(lab, fault), retries=0, timeout=0.3, first_token=10)
    fails = not fault.startswith("tokens")
    with pytest.raises(moakit.CallError) if fails else contextlib.nullcontext():
        await spent_by(alone, budget)
    assert (budget.spent.tokens, budget.reserved.tokens) == (spent, 0)


async def test_a_port_where_nobody_listens_costs_nothing():
    budget = Budget(Limits(1000))
    gone = Provider("gone", base_url="http://127.0.0.1:9/v1", api_key="k")
    with pytest.raises(moakit.ConnectionFailed):
        await spent_by(Sequential(gone("x"), retries=0), budget)
    assert budget.spent == (0, 0) == budget.reserved
    await moakit.aclose()


async def test_every_attempt_is_paid(up, lab):
    budget = Budget(Limits(EACH + 10))
    again = Sequential(short(lab, "cut:3+times:2"), retries=2)
    with pytest.raises(
        BudgetExceeded, match=rf"{EACH} asked for lab/cut:3\+times:2, {EACH} spent, 0 reserved"
    ):
        await spent_by(again, budget)
    assert len(up.calls) == 1


async def test_what_is_not_paid_takes_nothing_of_a_providers_limit(up):
    lab = Provider("lab", base_url=up.base_url, api_key="k", tokens_per_minute=100)
    team = Proposers(lab("a", max_tokens=60), budget={"tokens": 50})
    async with asyncio.timeout(10):
        for _ in range(10):
            with pytest.raises(NotEnoughResponses):
                await Sequential(team, Aggregator(lab("lead"))).run("why")
        await lab("a", max_tokens=90).run("why")
    assert len(up.calls) == 1


async def test_tools_and_choices_are_part_of_what_is_asked(up, lab):
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 400}}
    with pytest.raises(BudgetExceeded):
        await spent_by(short(lab), Budget(Limits(EACH + 50)), tools=[tool])
    with pytest.raises(BudgetExceeded):
        await spent_by(short(lab), Budget(Limits(EACH + 5)), n=2)
    assert not up.calls


# The run's own budget


async def test_a_plain_run_has_no_purse(up, lab):
    seen = []

    class Looking(Layer):
        def __init__(self, agent):
            self.agent = agent

        async def forward(self, prompt, references, run):
            seen.append(run.purse)
            return await run(self.agent, prompt, tail=True)

    await Looking(short(lab)).run("why")
    await Sequential(Looking(short(lab)), budget={"tokens": 1000}).run("why")
    assert seen[0] is None and seen[1] is not None


async def test_proposers_leave_the_aggregator_its_share(up, lab):
    team = [short(lab, f"tokens:10+say:{name}") for name in "abc"]
    held = await share_of(MoA(team, short(lab, "lead")))
    for fit in (1, 2, 3):
        up.reset()
        ensemble = MoA(team, short(lab, "lead"), budget={"tokens": held + fit * EACH})
        answer = await ensemble.run("why")
        assert len(up.calls) == fit + 1 and len(up.of("lead")) == 1
        assert len(answer.references) == fit and answer.degraded == (fit < 3)
        assert [call.error for call in answer.failures] == ["BudgetExceeded"] * (3 - fit)
        assert all(call.attempts == 0 for call in answer.failures)
        assert all(call.cost == 0 and "the budget of this run" in call.message for call in answer.failures)
        assert answer.usage.total_tokens <= held + fit * EACH


async def test_each_run_has_it_afresh(up, lab):
    ensemble = MoA([short(lab)], short(lab), budget={"tokens": 400})
    answers = await asyncio.gather(*(ensemble.run("why") for _ in range(10)))
    assert not any(answer.degraded for answer in answers)


async def test_without_enough_for_the_aggregator_nobody_is_asked(up, lab):
    ensemble = MoA([short(lab), short(lab)], short(lab, "lead"), name="panel", budget={"tokens": 60})
    with pytest.raises(
        BudgetExceeded, match=r"the budget of 'panel' of 60 tokens is reached: .* for lab/lead"
    ):
        await ensemble.run("why")
    assert not up.calls


async def test_without_enough_for_the_aggregator_the_best_proposal_answers_where_it_may(up, lab):
    team = [short(lab, "say:yes"), short(lab, "say:no")]
    lead = Aggregator(short(lab, "lead"), on_no_aggregator="best")
    for ensemble in (
        MoA(team, short(lab, "lead"), budget={"tokens": 60}, on_no_aggregator="best"),
        Sequential(Proposers(*team), lead, budget={"tokens": 60}),
    ):
        up.reset()
        answer = await ensemble.run("why")
        assert answer.text == "yes" and answer.degraded and len(up.calls) == 2
        assert [call.error for call in answer.failures] == ["BudgetExceeded"]


async def test_a_cheaper_model_stands_in_for_one_that_cannot_be_paid(up, lab):
    lead = lab("lead", max_tokens=500, fallback=short(lab, "small"))
    answer = await MoA([short(lab)], lead, budget={"tokens": 400}).run("why")
    assert answer.text.startswith("small") and not up.of("lead") and answer.degraded


async def test_all_proposers_refused_is_not_enough_responses(up, lab):
    team = [lab(name, max_tokens=900) for name in "ab"]
    ensemble = Sequential(Proposers(*team, budget={"tokens": 500}), Aggregator(short(lab)))
    with pytest.raises(NotEnoughResponses) as caught:
        await ensemble.run("why")
    assert [type(error) for error in caught.value.exceptions] == [BudgetExceeded] * 2
    assert "the budget of Proposers at 0 of 500 tokens" in str(caught.value)
    answer = await Sequential(*ensemble, on_no_references="answer").run("why")
    assert answer.degraded and len(up.calls) == 1


async def test_an_inner_budget_and_the_outer_one_both_hold(up, lab):
    inner = MoA([short(lab, "a"), short(lab, "b")], short(lab, "c"), budget={"tokens": 10})
    ensemble = MoA([inner, short(lab, "d")], short(lab, "lead"), budget={"tokens": 2000})
    answer = await ensemble.run("why")
    assert sorted(call.model for call in up.calls) == ["d", "lead"]
    assert [(call.path, call.error) for call in answer.failures] == [("0.0", "BudgetExceeded")]
    up.reset()
    generous = MoA([short(lab, "a"), short(lab, "b")], short(lab, "c"), budget={"tokens": 2000})
    team = MoA([generous, short(lab, "d")], short(lab, "lead"))
    # The inner one has plenty; the outer one pays for the aggregator and one call more.
    tight = MoA(
        [generous, short(lab, "d")], short(lab, "lead"), budget={"tokens": await share_of(team) + EACH}
    )
    answer = await tight.run("why")
    assert len(up.calls) == 2 and answer.degraded and answer.usage.total_tokens <= 2000


async def test_the_parameters_of_the_request_are_the_tails(up, lab):
    ensemble = MoA([short(lab)], lab("lead"), budget={"tokens": 400})
    with pytest.raises(BudgetExceeded):
        await ensemble.run("why")
    assert not (await ensemble.run("why", max_tokens=20)).degraded


async def test_a_refusal_is_an_event(up, lab):
    team = [short(lab), lab("big", max_tokens=5000)]
    async with MoA(team, short(lab), budget={"tokens": 5500}, max_tokens=10).stream("why") as stream:
        events = [event async for event in stream if isinstance(event, CallFailed)]
    assert [(event.path, type(event.error), event.final) for event in events] == [
        ("0.1", BudgetExceeded, True)
    ]


async def test_samples_of_one_agent_share_it(up, lab):
    ensemble = MoA([short(lab, samples=4)], short(lab, "lead"))
    held = await share_of(ensemble)
    answer = await MoA([short(lab, samples=4)], short(lab, "lead"), budget={"tokens": held + 2 * EACH}).run(
        "why"
    )
    assert len(answer.references) == 2 and len(up.calls) == 3


async def test_a_layer_of_ones_own_is_held_to_it(up, lab):
    class Twice(Layer):
        def __init__(self, agent):
            self.agent = agent

        async def forward(self, prompt, references, run):
            await run(self.agent, prompt)
            return await run(self.agent, prompt, tail=True)

    with pytest.raises(BudgetExceeded):
        await Sequential(Twice(short(lab)), budget={"tokens": EACH + 5}).run("why")
    assert len(up.calls) == 1


# Dollars need prices


def test_dollars_over_a_model_without_a_price_are_refused_when_the_ensemble_is_built():
    lab = Provider("lab", base_url="http://127.0.0.1:1/v1", price={"known": 1.0})
    MoA([lab("known"), "demo/planner", "ollama/gemma3"], "demo/editor", budget=0.05)
    MoA([lab("unknown")], "demo/editor", budget={"tokens": 5})
    for build in (
        lambda: MoA([lab("known"), lab("unknown")], "demo/editor", name="panel", budget=0.05),
        lambda: MoA(["demo/planner"], lab("known", fallback=lab("unknown")), budget={"dollars": 1}),
        lambda: Proposers(lab("unknown"), budget=1),
        lambda: Aggregator(lab("unknown"), budget=1),
        lambda: MoA([lab("known")], "demo/editor", budget=1).replace("0.0", lab("unknown")),
    ):
        with pytest.raises(
            ConfigError, match="budget is in dollars, and the price of lab/unknown is not"
        ) as e:
            build()
        assert "give its provider a `price`" in e.value.hint


async def test_dollars_over_a_model_that_shows_up_without_a_price_are_refused_before_the_call(up):
    unpriced = Provider("lab", base_url=up.base_url, api_key="k")("x")
    with pytest.raises(ConfigError, match="the price of lab/x is not known"):
        await spent_by(unpriced, Budget(Limits(dollars=1)))
    assert not up.calls
