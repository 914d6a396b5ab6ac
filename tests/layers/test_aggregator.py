"""The layer that makes one response of the references."""

import pytest

import moakit
from moakit import (
    Aggregator,
    AuthenticationFailed,
    ConfigError,
    MoA,
    NotEnoughResponses,
    Proposers,
    Sequential,
)
from moakit.layers.aggregator import best
from tests.lab import references_in


async def test_its_prompt_may_be_the_papers_own(up, lab):
    ensemble = Sequential(Proposers(lab("a"), lab("b")), Aggregator(lab("lead"), prompt="together"))
    await ensemble.run("why")
    (call,) = up.of("lead")
    assert call.messages[0]["content"].endswith("Responses from models:\n1. a #1: why\n2. b #1: why")
    assert call.messages[1:] == [{"role": "user", "content": "why"}]


async def test_its_prompt_may_be_a_function(up, lab):
    def joined(messages, references, seed):
        return [*messages, {"role": "user", "content": " & ".join(references)}]

    ensemble = MoA([lab("say:a"), lab("say:b")], Aggregator(lab("lead"), prompt=joined))
    answer = await ensemble.run("why")
    assert up.of("lead")[0].messages[-1]["content"] == "a & b"
    assert answer.degraded is False


async def test_a_prompt_given_to_the_whole_holds_for_every_layer_that_has_none(up, lab):
    own = moakit.Template(instructions="Mine.")
    ensemble = MoA([lab("a")], Aggregator(lab("lead"), prompt=own), layers=3, prompt="together")
    await ensemble.run("why")
    assert "Responses from models:" in up.of("a")[1].prompt
    assert up.of("lead")[0].messages[0]["content"] == "Mine."
    assert references_in(up.of("lead")[0])


async def test_its_fallback_stands_in_before_the_first_token(up, lab):
    for lead in (lab("status:401"), lab("hang_after:0", timeout=0.1), lab("empty"), lab("cut:0")):
        ensemble = MoA([lab("a")], lead, fallback=lab("say:second"), retries=0)
        async with ensemble.stream("why") as stream:
            assert [text async for text in stream.text] == ["second"]
        assert stream.answer.degraded and stream.answer.response.model == "lab/say:second"
        assert stream.answer.failures[0].role == "aggregator"


async def test_after_its_first_token_the_error_is_raised(up, lab):
    ensemble = MoA([lab("a")], lab("tokens:9+cut:3"), fallback=lab("say:second"), on_no_aggregator="best")
    async with ensemble.stream("why") as stream:
        told = [event.text async for event in stream if type(event) is moakit.Delta]
    with pytest.raises(moakit.BadResponse, match="lab/tokens:9"):
        _ = stream.answer
    assert "".join(told) == "w1 w2 w3"
    assert not up.of("say:second") and len(up.of("tokens:9+cut:3")) == 1


async def test_not_streamed_a_broken_answer_is_asked_for_again(up, lab):
    ensemble = MoA([lab("a")], lab("tokens:9+cut:3"), fallback=lab("say:second"), retries=0)
    assert (await ensemble.run("why")).text == "second"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("lead", ["status:401", "empty", "hang"])
async def test_on_no_aggregator_best_gives_the_best_proposal(up, lab, lead, streamed):
    proposers = [lab("say:the_sky_is_blue"), lab("say:sky_is_blue_of_course"), lab("say:no_idea")]
    ensemble = MoA(proposers, lab(lead, timeout=0.1), on_no_aggregator="best")
    if streamed:
        async with ensemble.stream("why") as stream:
            text = "".join([text async for text in stream.text])
        answer = stream.answer
    else:
        answer = await ensemble.run("why")
        text = answer.text
    assert text == answer.text == "sky is blue of course"
    assert answer.degraded and answer.response.role == "proposer"
    assert [call.role for call in answer.failures] == ["aggregator"]


async def test_on_no_aggregator_best_holds_for_an_ensemble_that_aggregates(up, lab):
    inner = MoA([lab("status:401")], lab("lead"))
    answer = await MoA([lab("say:kept")], inner, on_no_aggregator="best").run("why")
    assert answer.text == "kept" and answer.degraded


async def test_on_no_aggregator_best_holds_when_its_deadline_passes(up, lab):
    lead = Aggregator(lab("hang"), deadline=0.1, on_no_aggregator="best")
    answer = await MoA([lab("say:kept")], lead).run("why")
    assert answer.text == "kept" and answer.degraded


async def test_by_default_its_failure_is_the_runs(up, lab):
    with pytest.raises(AuthenticationFailed, match="lab/status:401"):
        await MoA([lab("a")], lab("status:401")).run("why")
    with pytest.raises(NotEnoughResponses):
        await MoA([lab("a")], MoA([lab("status:401")], lab("lead"))).run("why")


def test_the_best_proposal_is_the_one_the_others_agree_with_most():
    def of(*texts):
        return best(tuple(moakit.Response(text=text) for text in texts)).text

    assert of("alone") == "alone"
    assert of("short", "a longer one") == "a longer one"
    assert of("four", "it is four", "it is four I think", "seven hundred and something else") == "it is four"


def test_a_fallback_needs_an_agent():
    with pytest.raises(ConfigError, match="a fallback needs an agent, not MoA"):
        Aggregator(MoA(["demo/planner"], "demo/editor"), fallback="demo/planner")
    with pytest.raises(ConfigError, match="give the fallback to it"):
        MoA(["demo/planner"], Aggregator("demo/editor"), fallback="demo/planner")
