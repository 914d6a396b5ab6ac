"""What a call costs: configured, reported, listed, nothing, or unknown, which is never 0."""

import pytest

from moakit.models import prices
from moakit.models.providers import PROVIDERS, Endpoint, Price
from moakit.types import Usage

PRICE = Price(input=1.0, output=10.0)
USAGE = Usage(1000, 100, 1100, 400)


def endpoint(**settings):
    return Endpoint(**{"name": "lab", "base_url": "http://127.0.0.1/v1"} | settings)


def test_a_configured_price_is_per_million_tokens():
    assert prices.cost(endpoint(price=PRICE), "m", USAGE) == pytest.approx(0.002)


def test_cached_tokens_have_their_own_price():
    cached = Price(input=1.0, output=10.0, cached=0.5)
    assert prices.cost(endpoint(price=cached), "m", USAGE) == pytest.approx(0.0018)


def test_cached_tokens_may_be_free():
    cached = Price(input=1.0, output=10.0, cached=0)
    assert prices.cost(endpoint(price=cached), "m", USAGE) == pytest.approx(0.0016)


def test_reasoning_tokens_are_part_of_the_completion():
    thinking = Usage(0, 100, 100, 0, 90)
    assert prices.cost(endpoint(price=PRICE), "m", thinking) == pytest.approx(0.001)


def test_a_price_by_model_holds_for_that_model():
    priced = endpoint(price={"org/m": PRICE})
    assert prices.cost(priced, "org/m", USAGE) == pytest.approx(0.002)
    assert prices.cost(priced, "m", USAGE) is None


def test_a_configured_price_comes_before_a_reported_one():
    assert prices.cost(endpoint(price=PRICE), "m", USAGE, 0.5) == pytest.approx(0.002)


def test_a_price_without_usage_is_unknown():
    assert prices.cost(endpoint(price=PRICE), "m", Usage()) is None


@pytest.mark.parametrize("usage", [USAGE, Usage()])
def test_a_price_of_nothing_costs_nothing(usage):
    assert prices.cost(endpoint(price=Price(0, 0)), "m", usage) == 0


@pytest.mark.parametrize("usage", [USAGE, Usage()])
def test_a_local_model_costs_nothing(usage):
    assert prices.cost(endpoint(local=True), "m", usage) == 0


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "minimax-m2:cloud"])
def test_a_cloud_model_of_a_local_server_is_unknown(model):
    assert prices.cost(PROVIDERS["ollama"], model, USAGE) is None


def test_what_the_provider_reports_is_believed():
    assert prices.cost(endpoint(), "m", Usage(), 0.5) == 0.5


@pytest.mark.parametrize("reported", [0.0, -1.0, None])
def test_a_reported_nothing_is_unknown(reported):
    assert prices.cost(endpoint(), "m", USAGE, reported) is None


def test_a_listed_model_has_the_list_price():
    usage = Usage(1_000_000, 1_000_000, 2_000_000)
    assert prices.cost(PROVIDERS["openai"], "gpt-4o-mini", usage) == pytest.approx(0.75)


def test_a_listed_model_has_the_list_price_of_cached_tokens():
    whole, half = Usage(1_000_000, 0, 1_000_000), Usage(1_000_000, 0, 1_000_000, 1_000_000)
    openai = PROVIDERS["openai"]
    assert prices.cost(openai, "gpt-4o-mini", half) == pytest.approx(
        prices.cost(openai, "gpt-4o-mini", whole) / 2
    )


def test_a_listed_model_without_usage_is_unknown():
    assert prices.cost(PROVIDERS["openai"], "gpt-4o-mini", Usage()) is None


def test_a_model_that_is_not_listed_is_unknown():
    assert prices.cost(PROVIDERS["openai"], "no-such-model", USAGE) is None


def test_models_that_are_listed_without_a_price_are_unknown():
    from genai_prices import data_snapshot

    places = {one.quirks.prices: one for one in PROVIDERS.values() if one.quirks.prices}
    unpriced = [
        (places[provider.id], model.id)
        for provider in data_snapshot.get_snapshot().providers
        for model in provider.models
        if provider.id in places and str(model.prices) == ""
    ]
    assert unpriced
    assert {prices.cost(place, model, USAGE) for place, model in unpriced} == {None}


def test_every_price_list_that_is_named_exists():
    from genai_prices import data_snapshot

    listed = {provider.id for provider in data_snapshot.get_snapshot().providers}
    assert {name for one in PROVIDERS.values() if (name := one.quirks.prices)} <= listed


def test_without_the_price_list_a_hosted_model_is_unknown(monkeypatch):
    monkeypatch.setattr(prices, "_installed", lambda: False)
    prices._known.cache_clear()  # noqa: SLF001 - what was looked up before is still known
    try:
        assert prices.cost(PROVIDERS["openai"], "gpt-4o-mini", USAGE) is None
        assert prices.window(PROVIDERS["openai"], "gpt-4o-mini") is None
    finally:
        prices._known.cache_clear()  # noqa: SLF001


@pytest.mark.parametrize(
    ("place", "model", "answer"),
    [
        (None, "demo/planner", False),
        (endpoint(local=True), "lab/m", False),
        (endpoint(price=Price(0, 0)), "lab/m", False),
        (endpoint(price={"org/m": Price(0, 0)}), "lab/org/m", False),
        (endpoint(price=PRICE), "lab/m", True),
        (endpoint(), "lab/m", True),
        (PROVIDERS["ollama"], "ollama/gpt-oss:120b-cloud", True),
    ],
)
def test_whether_a_call_may_cost_anything(place, model, answer):
    assert prices.may_cost(place, model) is answer


@pytest.mark.parametrize(
    ("place", "model", "answer"),
    [
        (endpoint(local=True), "m", True),
        (endpoint(price=PRICE), "m", True),
        (endpoint(), "m", False),
        (PROVIDERS["openai"], "gpt-4o-mini", True),
        (PROVIDERS["openai"], "no-such-model", False),
    ],
)
def test_whether_a_call_will_have_a_cost(place, model, answer):
    assert prices.priced(place, model) is answer


def test_the_window_of_a_listed_model_is_known():
    assert prices.window(PROVIDERS["openai"], "gpt-4o-mini") == 128_000


@pytest.mark.parametrize("place", [endpoint(), PROVIDERS["ollama"]])
def test_the_window_of_another_model_is_unknown(place):
    assert prices.window(place, "m") is None


def test_the_list_is_there_once_it_was_used():
    assert prices.window(PROVIDERS["openai"], "gpt-4o-mini") and prices.loaded()


def test_more_cached_tokens_than_there_are_do_not_earn_money():
    priced = endpoint(price=Price(input=2.0, output=10.0, cached=0.5))
    assert prices.cost(priced, "m", Usage(4, 0, 4, 1000)) == pytest.approx(4 * 0.5 / 1e6)
