"""`on_cut = "continue"`: a fallback goes on with an answer that broke off, and the reader sees one answer."""

import pytest

import moakit
from moakit import Agent, Aggregator, MoA, Proposers, Sequential
from moakit.errors import BadResponse, CallError, ModelTimeout
from moakit.events import CallFailed, Delta

WORDS = " ".join(f"word{n}" for n in range(1, 61))
SAY = "say:" + WORDS.replace(" ", "_")
BREAKS = ["cut:40", "badchunk:40", "error_in_stream:40", "hang_after:40", "nofinish"]


async def streamed(ensemble):
    """Return the pieces as they were shown, the events and the answer."""
    pieces, events = [], []
    async with ensemble.stream("why") as stream:
        async for event in stream:
            events.append(event)
            if getattr(event, "answer", None) is True and event.kind == "content":
                pieces.append(event.text)
    return "".join(pieces), events, stream.answer


def single(lab, first, *fallback, **settings):
    agent = Agent(lab(first).bound, fallback=[lab(name) for name in fallback])
    return Sequential(agent, on_cut="continue", idle=0.3, retries=0, **settings)


@pytest.mark.parametrize("fault", BREAKS)
async def test_a_fallback_continues(up, lab, fault):
    text, events, answer = await streamed(single(lab, f"{SAY}+{fault}", f"{SAY}+other"))
    assert text == answer.text == WORDS
    assert answer.response.model == f"lab/{SAY}+other"
    assert answer.degraded
    assert [call.status for call in answer.calls] == ["failed", "ok"]
    (failed,) = [event for event in events if type(event) is CallFailed]
    assert not failed.final


async def test_by_prefill_where_it_is_taken(up, lab):
    await streamed(single(lab, f"{SAY}+cut:40", f"{SAY}+other"))
    (asked,) = up.of(f"{SAY}+other")
    assert asked.messages[-1]["role"] == "assistant"
    assert asked.messages[-1]["content"] == " ".join(WORDS.split()[:40])
    assert asked.messages[0] == {"role": "user", "content": "why"}


async def test_in_words_where_a_prefill_is_refused(up, lab):
    text, _, answer = await streamed(single(lab, f"{SAY}+cut:40", f"{SAY}+noprefill"))
    assert text == answer.text == WORDS
    refused, asked = up.of(f"{SAY}+noprefill")
    assert refused.code == 400
    assert [message["role"] for message in asked.messages] == ["user", "assistant", "user"]
    assert "word39 word40" in asked.messages[-1]["content"]
    assert [call.status for call in answer.calls] == ["failed", "failed", "ok"]


async def test_without_a_fallback_the_model_goes_on_itself_once(up, lab):
    name = f"{SAY}+cut:40+times:1"
    text, _, answer = await streamed(single(lab, name))
    assert text == answer.text == WORDS
    assert len(up.of(name)) == 2


async def test_a_silent_model_is_not_asked_again(up, lab):
    with pytest.raises(ModelTimeout):
        await streamed(single(lab, f"{SAY}+hang_after:40"))
    assert len(up.of(f"{SAY}+hang_after:40")) == 1


async def test_it_can_break_again(up, lab):
    ensemble = single(lab, f"{SAY}+cut:20", f"{SAY}+cut:30", f"{SAY}+third")
    text, _, answer = await streamed(ensemble)
    assert text == answer.text == WORDS
    assert [call.status for call in answer.calls] == ["failed", "failed", "ok"]


async def test_when_nobody_can_the_error_is_told(up, lab):
    shown = []
    async with single(lab, f"{SAY}+cut:40", "status:500", "status:503").stream("why") as stream:
        shown += [event.text async for event in stream if type(event) is Delta]
    with pytest.raises(BadResponse):
        _ = stream.answer
    assert "".join(shown) == " ".join(WORDS.split()[:40])


async def test_another_answer_is_never_glued_to_the_first(up, lab):
    begins = " ".join(WORDS.split()[:35]).replace(" ", "_")
    other = f"say:{begins}_but_then_it_says_something_else_altogether+noprefill"
    with pytest.raises(BadResponse, match="afresh"):
        await streamed(single(lab, f"{SAY}+cut:40", other))


async def test_it_is_an_error_by_default(up, lab):
    agent = Agent(lab(f"{SAY}+cut:40").bound, fallback=lab(SAY))
    with pytest.raises(BadResponse):
        await streamed(agent)
    assert not up.of(SAY)


async def test_an_aggregator_is_continued_with_the_references(up, lab):
    ensemble = Sequential(
        Proposers(lab("a"), lab("b")),
        Aggregator(lab(f"{SAY}+cut:40"), fallback=lab(f"{SAY}+other"), on_cut="continue"),
    )
    text, _, answer = await streamed(ensemble)
    assert text == answer.text == WORDS
    (asked,) = up.of(f"{SAY}+other")
    assert "a #1: why" in asked.prompt
    assert answer.degraded


async def test_a_tool_call_that_broke_off_is_not_continued(up, lab):
    with pytest.raises(CallError):
        await streamed(single(lab, "tool:look+cut:2", SAY))
    assert not up.of(SAY)


async def test_a_run_that_is_not_streamed_asks_the_fallback_afresh(up, lab):
    answer = await single(lab, f"{SAY}+cut:40", SAY).run("why")
    assert answer.text == WORDS
    assert [message["role"] for message in up.of(SAY)[0].messages] == ["user"]


async def test_from_a_configuration(tmp_path, up):
    path = tmp_path / "moa.toml"
    path.write_text(f"""
        [providers.lab]
        base_url = "{up.base_url}"
        [ensembles.one]
        proposers = ["lab/a", "lab/b"]
        aggregator = {{ model = "lab/{SAY}+cut:40", fallback = "lab/{SAY}" }}
        on_cut = "continue"
    """)
    text, _, _ = await streamed(moakit.load(path)["one"])
    assert text == WORDS


async def test_moa_takes_it(lab):
    assert MoA([lab("a")], lab("b"), on_cut="continue").settings.on_cut == "continue"
