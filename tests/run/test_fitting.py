"""References are fitted into the window of the model that reads them; the conversation never is."""

import pytest

import moakit
from moakit import Aggregator, ContextTooLong, MoA, NotEnoughResponses, Provider, Sequential
from moakit.events import CallFinished, CallRetried, CallStarted
from moakit.models import prices, windows
from moakit.models.openai import OpenAIModel
from moakit.models.providers import PROVIDERS, Endpoint, Price
from tests.lab import references_in

LONG = "tokens:2000"
"""A proposer that writes 2,000 words, which are estimated as about 2,700 tokens."""
GAP = "tokens left out …]"


@pytest.fixture(autouse=True)
def _nothing_learned():
    windows.forget()
    yield
    windows.forget()


def provider(up, **settings):
    return Provider("lab", **{"base_url": up.base_url, "api_key": "key", "price": 0} | settings)


def sizes(call):
    return [len(text.split()) for text in references_in(call)]


async def test_references_that_do_not_fit_are_cut_before_they_are_sent(up):
    lab = provider(up, context_length={"context:1500": 1500})
    answer = await MoA([lab(LONG), lab("brief")], lab("context:1500")).run("why")
    (call,) = up.of("context:1500")
    long, brief = references_in(call)
    assert brief == "brief #1: why" and long.startswith("w1 w2") and long.endswith("w2000") and GAP in long
    assert 100 < len(long.split()) < 1000
    assert answer.degraded and not answer.failures
    (told,) = [one for one in answer.calls if one.role == "aggregator"]
    assert 1500 < told.left_out < 2800 and told.attempts == 1
    assert answer.response.left_out == told.left_out
    assert answer.references[0].text.split()[-1] == "w2000" and GAP not in answer.references[0].text


async def test_references_that_fit_are_not_touched(up):
    lab = provider(up, context_length=100_000)
    answer = await MoA([lab(LONG), lab("brief")], lab("lead")).run("why")
    assert sizes(up.of("lead")[0]) == [2000, 3]
    assert not answer.degraded and answer.response.left_out == 0


async def test_the_answer_keeps_its_room(up):
    lab = provider(up, context_length=6000)
    await MoA([lab(LONG)], lab("roomy", max_tokens=500)).run("why")
    await MoA([lab(LONG)], lab("tight", max_tokens=4000)).run("why")
    assert sizes(up.of("roomy")[0]) == [2000] and sizes(up.of("tight")[0])[0] < 1300


async def test_tools_take_their_room(up):
    tools = [{"type": "function", "function": {"name": "f", "description": "word " * 3000}}]
    lab = provider(up, context_length=6000)
    answer = await MoA([lab(LONG)], lab("lead")).run("why", tools=tools)
    assert sizes(up.of("lead")[0])[0] < 1300 and answer.degraded


async def test_a_window_is_learned_from_the_refusal_and_the_next_run_needs_one_request(up, lab):
    ensemble = MoA([lab(LONG), lab(LONG)], lab("context:1500"))
    answer = await ensemble.run("why")
    first, second = up.of("context:1500")
    assert sizes(first) == [2000, 2000] and 200 < sum(sizes(second)) < 1000
    assert first.raw != second.raw
    (told,) = [one for one in answer.calls if one.role == "aggregator"]
    assert (told.status, told.attempts) == ("ok", 2) and told.left_out > 3000
    assert answer.degraded and answer.response.attempts == 2
    await ensemble.run("why")
    assert len(up.of("context:1500")) == 3 and sum(sizes(up.of("context:1500")[2])) < 1000


async def test_a_refusal_without_numbers_halves_the_references_once(up, lab):
    up.behaves["mute"] = "refuse:too_many_tokens+times:1"
    answer = await MoA([lab(LONG), lab(LONG)], lab("mute")).run("why")
    first, second = up.of("mute")
    assert sizes(first) == [2000, 2000] and 1800 < sum(sizes(second)) < 2100
    assert answer.degraded and answer.response.left_out > 2000


async def test_what_is_refused_again_is_not_sent_a_third_time(up, lab):
    up.behaves["mute"] = "refuse:too_many_tokens"
    with pytest.raises(
        ContextTooLong, match=r"too many tokens.*about [\d,]+ tokens were sent; the window is"
    ):
        await MoA([lab(LONG)], lab("mute")).run("why")
    assert len({call.raw for call in up.of("mute")}) == len(up.of("mute")) == 2


async def test_a_word_to_retry_does_not_send_the_same_again(up, lab):
    up.behaves["lead"] = "context:100+should_retry:true"
    with pytest.raises(ContextTooLong):
        await MoA([lab("brief")], lab("lead")).run("why")
    assert len(up.of("lead")) == 1


async def test_a_denser_text_than_estimated_is_cut_by_what_the_provider_counts(up, lab):
    # The upstream counts words, here of one letter: twice as many as estimated.
    up.behaves["dense"] = "say:" + "_".join(["a"] * 3000)
    ensemble = MoA([lab("dense")], lab("context:1000", max_tokens=10))
    answer = await ensemble.run("why")
    first, second = up.of("context:1000")
    assert sizes(first) == [3000] and 300 < sizes(second)[0] < 800
    await ensemble.run("why")
    assert len(up.of("context:1000")) == 3
    assert answer.degraded


@pytest.mark.parametrize("known", [True, False])
async def test_a_fallback_with_a_larger_window_is_shown_the_references_uncut(up, known):
    lab = provider(up, price=None, context_length={"context:150": 150} if known else {})
    lead = Aggregator(lab("context:150"), fallback=[lab("large")])
    answer = await Sequential(moakit.Proposers(lab(LONG), lab("brief")), lead).run("why " * 400)
    assert sizes(up.of("large")[0])[0] == 2000
    assert answer.response.model == "lab/large" and answer.response.left_out == 0
    (failed,) = answer.failures
    assert (failed.error, failed.cost) == ("ContextTooLong", 0) and "150" in failed.message
    assert failed.attempts == len(up.of("context:150")) == (0 if known else 1)


async def test_a_conversation_is_never_cut_and_not_sent_where_it_cannot_fit(up):
    lab = provider(up, context_length=1000)
    with pytest.raises(ContextTooLong, match=r"has about 25,\d\d\d tokens.*window 1,000") as caught:
        await lab("lead").run("word " * 20_000)
    assert (caught.value.window, caught.value.needed // 1000) == (1000, 25)
    assert not up.calls


async def test_where_it_is_a_matter_of_estimates_the_provider_decides(up):
    lab = provider(up, context_length=1000)
    words = "word " * 1000
    answer = await lab("lead").run(words)
    assert up.calls[0].prompt == words and not answer.degraded


async def test_proposers_a_conversation_does_not_fit_into_are_dropped_unsent(up):
    small, large = provider(up, context_length=100), Provider("big", base_url=up.base_url, price=0)
    answer = await MoA([small("a"), large("b")], large("lead")).run("why " * 500)
    assert [call.model for call in answer.failures] == ["lab/a"] and not up.of("a")
    with pytest.raises(NotEnoughResponses) as caught:
        await MoA([small("a")], large("lead")).run("why " * 500)
    assert "the model's window 100" in str(caught.value)


async def test_an_answer_that_alone_fills_the_window_is_not_made_to_fit_by_cutting_references(up, lab):
    text = "maximum context length is 4096 tokens. However, you requested 8000 tokens (3000 in the messages, "
    up.behaves["lead"] = f"refuse:{text}5000 in the completion)".replace(" ", "_")
    with pytest.raises(ContextTooLong) as caught:
        await MoA([lab(LONG)], lab("lead", max_tokens=5000)).run("why")
    assert len(up.of("lead")) == 1
    assert (caught.value.needed, caught.value.window, caught.value.answer) == (8000, 4096, 5000)


async def test_a_listed_window_is_kept_to_and_the_list_is_not_loaded_for_a_short_call(up):
    quirks = PROVIDERS["openai"].quirks
    endpoint = Endpoint(name="lab", base_url=up.base_url, api_key="key", price=Price(0, 0), quirks=quirks)

    def at(name):
        return moakit.Agent(OpenAIModel(endpoint, name))

    prices._snapshot.cache_clear()  # noqa: SLF001 - another test may have loaded it
    prices._known.cache_clear()  # noqa: SLF001
    await MoA([at("brief")], at("gpt-4")).run("why")
    assert not prices.loaded()
    answer = await MoA([at("tokens:9000"), at("brief")], at("gpt-4")).run("why")
    assert prices.loaded() and prices.window(endpoint, "gpt-4") == 8192
    assert 2000 < sizes(up.of("gpt-4")[1])[0] < 7000 and answer.degraded


async def test_reference_tokens_cap_each_reference(up, lab):
    ensemble = MoA([lab(LONG), lab("brief")], lab("lead"), reference_tokens=200)
    answer = await ensemble.run("why")
    long, brief = references_in(up.of("lead")[0])
    assert GAP in long and len(long.encode()) <= 800 and brief == "brief #1: why"
    assert answer.degraded and 2300 < answer.response.left_out < 2800
    lead = Aggregator(lab("free"), reference_tokens=10_000)
    await Sequential(moakit.Proposers(lab(LONG)), lead, reference_tokens=200).run("why")
    assert sizes(up.of("free")[0]) == [2000]


async def test_events_say_what_is_left_out(up, lab):
    ensemble = MoA([lab(LONG)], lab("context:1500"))
    for began in (0, 1):
        async with ensemble.stream("why") as stream:
            events = [event async for event in stream]
        (started,) = [one for one in events if type(one) is CallStarted and one.role == "aggregator"]
        (finished,) = [
            one for one in events if type(one) is CallFinished and one.response.role == "aggregator"
        ]
        retried = [one for one in events if type(one) is CallRetried]
        assert (started.left_out > 0) is bool(began) and finished.response.left_out > 1000
        assert [type(one.error) for one in retried] == ([] if began else [ContextTooLong])


async def test_the_papers_layout_is_fitted_too(up):
    lab = provider(up, context_length=1500)
    await MoA([lab(LONG), lab(LONG)], lab("context:1500"), prompt="together").run("why")
    (call,) = up.of("context:1500")
    assert call.prompt.count(GAP) == 2 and call.prompt.count("w2000") == 2
