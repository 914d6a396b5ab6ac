"""What an answer says of its calls, its tokens and its dollars."""

import pytest

import moakit
from moakit import MoA, Price, Proposers, Provider, Sequential, Usage


@pytest.fixture
def priced(up):
    price = {"a": Price(1, 2), "lead": Price(10, 20, cached=1), "lead+cached:2": Price(10, 20, cached=1)}
    return Provider("lab", base_url=up.base_url, api_key="k", price=price)


async def test_usage_is_the_sum_over_all_calls(up, lab):
    answer = await MoA([lab("tokens:3"), lab("reasoning:hm_so+tokens:2")], lab("tokens:5+cached:4")).run(
        "one two"
    )
    total = Usage()
    for call in answer.calls:
        total += call.usage
    assert answer.usage == total
    assert answer.usage.completion_tokens == 3 + (2 + 2) + 5
    assert (answer.usage.reasoning_tokens, answer.usage.cached_tokens) == (2, 4)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.response.usage.completion_tokens == 5


async def test_cost_is_the_sum_where_every_price_is_known(up, priced):
    answer = await MoA([priced("a"), priced("a")], priced("lead+cached:2")).run("one two")
    first, second, lead = answer.calls
    assert first.cost == second.cost == pytest.approx((2 * 1 + 4 * 2) / 1e6)
    fresh, written = lead.usage.prompt_tokens - 2, lead.usage.completion_tokens
    assert lead.cost == pytest.approx((fresh * 10 + 2 * 1 + written * 20) / 1e6)
    assert answer.cost == pytest.approx(first.cost + second.cost + lead.cost)
    assert answer.response.cost == lead.cost and answer.references[0].cost == first.cost


@pytest.mark.parametrize("name", ["unknown", "a+nousage"])
async def test_cost_is_none_when_any_part_is_unknown(up, priced, name):
    up.behaves["a+nousage"] = "say:a+nousage"
    answer = await MoA([priced("a"), priced(name)], priced("lead")).run("why")
    assert [call.cost is None for call in sorted(answer.calls, key=lambda call: call.path)] == [
        False,
        True,
        False,
    ]
    assert answer.cost is None


async def test_cost_is_zero_for_demo_models():
    answer = await MoA([moakit.models.demo.DemoModel("planner", pace=0)], "demo/editor").run(
        "why", max_tokens=1
    )
    assert answer.cost == 0.0 and isinstance(answer.cost, float)


async def test_a_refused_call_costs_nothing_and_one_that_was_cut_off_is_unknown(up, priced):
    refused = await MoA([priced("a"), priced("status:401")], priced("lead")).run("why")
    assert refused.cost == pytest.approx(sum(call.cost for call in refused.calls))
    assert [call.cost for call in refused.failures] == [0.0]
    dropped = await MoA([priced("a"), priced("hang")], priced("lead"), quorum=1, grace=0).run("why")
    assert [call.cost for call in dropped.failures] == [None] and dropped.cost is None


async def test_a_failed_attempt_that_was_repeated_is_not_counted(up, lab):
    answer = await MoA([lab("status:500+times:2+tokens:3")], lab("tokens:2")).run("why")
    assert answer.usage.completion_tokens == 5 and len(answer.calls) == 2


async def test_calls_are_told_with_place_model_role_and_time(up, lab):
    answer = await MoA([lab("a+sleep:0.05"), lab("status:401")], lab("lead")).run("why")
    told = {call.path: call for call in answer.calls}
    assert {path: (call.model, call.role, call.status) for path, call in told.items()} == {
        "0.0": ("lab/a+sleep:0.05", "proposer", "ok"),
        "0.1": ("lab/status:401", "proposer", "failed"),
        "1.0": ("lab/lead", "aggregator", "ok"),
    }
    assert 0.05 <= told["0.0"].seconds < 1 and told["0.0"].error == told["0.0"].message == ""
    assert answer.duration >= told["0.0"].seconds + told["1.0"].seconds
    assert answer.failures == (told["0.1"],)


async def test_a_response_is_told_with_place_model_role_and_finish(up, lab):
    answer = await MoA([lab("length+tokens:4"), lab("reasoning:hm+say:so")], lab("extra+say:end")).run("why")
    cut, thought = answer.references
    assert (cut.path, cut.model, cut.role, cut.finish_reason) == (
        "0.0",
        "lab/length+tokens:4",
        "proposer",
        "length",
    )
    assert (thought.text, thought.reasoning, thought.first_token) == ("so", "hm", None)
    assert answer.response.extra["x_unknown"] == {"deep": [1, None, "?"]}
    assert answer.response.usage.total_tokens > 0


async def test_a_call_the_upstream_never_answered_is_in_the_ledger(up, lab):
    with pytest.raises(moakit.DeadlineExceeded):
        await Sequential(lab("hang"), deadline=0.1).run("why")
    answer = await Sequential(Proposers(lab("hang"), lab("a"), deadline=0.1), lab("lead")).run("why")
    assert [(call.path, call.status) for call in answer.calls] == [
        ("0.1", "ok"),
        ("0.0", "cancelled"),
        ("1", "ok"),
    ]


async def test_no_key_is_in_an_answer_or_an_error(up):
    up.keys = {"sk-right"}
    lab = Provider("lab", base_url=up.base_url, api_key="sk-canary-123456")
    with pytest.raises(moakit.NotEnoughResponses) as caught:
        await MoA([lab("a")], lab("lead")).run("why")
    assert "canary" not in f"{caught.value!s} {caught.value!r} {caught.value.exceptions}"
    assert up.calls[0].key == "sk-canary-123456"
