"""Reading a run while it happens."""

import asyncio

import pytest

import moakit
from moakit import CallFinished, Delta, MoA, MoaError, RunFailed, RunFinished, RunStarted
from moakit.models.demo import DemoModel
from tests.lab import lab_on
from tests.upstream import Upstream


def panel(lab, lead="tokens:30"):
    return MoA([lab("a"), lab("b"), lab("c")], lab(lead))


async def test_text_is_the_answers_tokens(up, lab):
    async with panel(lab, "tokens:4+pace:0.01").stream("why") as stream:
        texts = [text async for text in stream.text]
    assert texts == ["w1", " w2", " w3", " w4"]
    assert stream.answer.text == "w1 w2 w3 w4"
    assert len(stream.answer.calls) == 4 and stream.answer.response.first_token is not None


async def test_only_the_tail_is_streamed_unless_proposers_are_wanted(up, lab):
    async with panel(lab).stream("why") as stream:
        deltas = [event async for event in stream if type(event) is Delta]
    assert {delta.answer for delta in deltas} == {True} and {delta.path for delta in deltas} == {"1.0"}
    assert [call.stream for call in up.calls] == [False, False, False, True]


async def test_with_proposers_everyone_is_streamed_and_only_the_tail_is_the_answer(up, lab):
    async with panel(lab).stream("why", proposers=True) as stream:
        deltas = [event async for event in stream if type(event) is Delta]
    told = {}
    for delta in deltas:
        told[delta.path] = told.get(delta.path, "") + delta.text
        assert delta.answer is (delta.path == "1.0") and delta.kind == "content"
    assert told == {response.path: response.text for layer in stream.answer.layers for response in layer}
    assert all(call.stream for call in up.calls)


async def test_a_reader_of_events_may_do_without_the_answers_tokens(up, lab):
    async with panel(lab).stream("why", answer=False) as stream:
        events = [event async for event in stream]
    assert not any(type(event) is Delta for event in events) and not any(call.stream for call in up.calls)
    assert stream.answer.text.startswith("w1 w2")


async def test_reasoning_is_told_apart_from_text(up, lab):
    async with panel(lab, "reasoning:let_me_think+say:so").stream("why") as stream:
        deltas = [event async for event in stream if type(event) is Delta]
    told = {kind: "".join(d.text for d in deltas if d.kind == kind) for kind in ("reasoning", "content")}
    assert told == {"reasoning": "let me think", "content": "so"}
    assert (stream.answer.response.reasoning, stream.answer.text) == ("let me think", "so")


def test_a_sync_stream_reads_the_same():
    with Upstream.in_thread() as up, panel(lab_on(up)).stream("why") as stream:
        assert "".join(stream.text) == stream.answer.text == " ".join(f"w{i}" for i in range(1, 31))
    with Upstream.in_thread() as up, panel(lab_on(up)).stream("why") as stream:
        events = list(stream)
        assert type(events[0]) is RunStarted and type(events[-1]) is RunFinished
        assert events[-1].answer is stream.answer


async def test_a_sync_stream_works_inside_a_running_loop():
    ensemble = MoA([DemoModel("planner", pace=0)], DemoModel("editor", pace=0))
    with ensemble.stream("why") as stream:
        assert "".join(stream.text) == stream.answer.text


async def test_the_answer_before_the_end_is_a_clear_error(up, lab):
    async with panel(lab).stream("why") as stream:
        with pytest.raises(MoaError, match=r"the stream has not ended.*to the end first"):
            _ = stream.answer
        async for _ in stream.text:
            pass
        assert stream.answer.text
    assert stream.answer.text


@pytest.mark.parametrize("after", [0, 1])
async def test_the_answer_of_a_stream_that_was_left_early_is_a_clear_error(up, lab, after):
    async with panel(lab, "hang").stream("why") as stream:
        for _ in range(after):
            async for _ in stream:
                break
    with pytest.raises(MoaError, match="closed before the run ended"):
        _ = stream.answer
    with pytest.raises(MoaError, match="closed before the run ended"):
        async for _ in stream.text:
            pass


async def test_a_failure_is_raised_where_the_text_ends(up, lab):
    async with panel(lab, "status:401").stream("why") as stream:
        with pytest.raises(moakit.AuthenticationFailed):
            async for _ in stream.text:
                pass
        with pytest.raises(moakit.AuthenticationFailed):
            _ = stream.answer
    async with panel(lab, "status:401").stream("why") as stream:
        events = [event async for event in stream]
    assert type(events[-1]) is RunFailed and type(events[-1].error) is moakit.AuthenticationFailed


def test_a_failure_is_raised_where_a_sync_text_ends():
    broken = MoA([DemoModel("planner", pace=0)], DemoModel("broken", pace=0))
    with broken.stream("why") as stream, pytest.raises(moakit.BadResponse, match="demo/broken always fails"):
        list(stream.text)


async def test_a_mistake_is_raised_before_the_stream_is_made(lab):
    with pytest.raises(
        moakit.ConfigError, match=r"unknown parameter 'temprature' \(did you mean 'temperature'\?\)"
    ):
        panel(lab).stream("why", temprature=1)
    with pytest.raises(moakit.InvalidRequest, match="the prompt is empty"):
        panel(lab).stream([])


async def test_reading_goes_on_where_it_stopped(up, lab):
    async with panel(lab).stream("why") as stream:
        async for event in stream:
            assert type(event) is RunStarted
            break
        begun = []
        async for text in stream.text:
            begun.append(text)
            break
        rest = [text async for text in stream.text]
    assert "".join(begun + rest) == stream.answer.text


def test_sync_reading_goes_on_where_it_stopped():
    with MoA([DemoModel("planner", pace=0)], DemoModel("editor", pace=0)).stream("why") as stream:
        first = next(iter(stream))
        assert type(first) is RunStarted
        begun = next(iter(stream.text))
        assert begun + "".join(stream.text) == stream.answer.text


async def test_a_stream_outside_its_block_says_what_is_missing(lab):
    stream = panel(lab).stream("why")
    with pytest.raises(MoaError, match=r"the stream is not open.*with"):
        async for _ in stream:
            pass
    with pytest.raises(MoaError, match="the stream is not open"):
        list(stream.text)


async def test_a_stream_is_one_run(up, lab):
    async with panel(lab).stream("why") as stream:
        pass
    with pytest.raises(MoaError, match="a stream is one run"):
        async with stream:
            pass


async def test_a_stream_is_read_the_way_it_was_opened(up, lab):
    async with panel(lab, "hang").stream("why") as stream:
        with pytest.raises(MoaError, match=r"opened on another event loop.*`async for` inside `async with`"):
            list(stream)
    other = pytest.raises(MoaError, match="opened on another event loop")
    with MoA([DemoModel("slow")], DemoModel("editor")).stream("why") as stream, other:
        async for _ in stream:
            pass


async def test_streams_of_one_ensemble_run_side_by_side(up, lab):
    ensemble = MoA([lab("a"), lab("b")], lab("echo+pace:0.005"))

    async def ask(number):
        async with ensemble.stream(f"question {number}") as stream:
            text = "".join([text async for text in stream.text])
        return f": question {number}" in text, text == stream.answer.text

    assert await asyncio.gather(*map(ask, range(20))) == [(True, True)] * 20


async def test_several_choices_are_told_by_index_and_text_is_the_first(up, lab):
    async with panel(lab, "lead").stream("why", n=2) as stream:
        events = [event async for event in stream]
    told = {
        index: "".join(e.text for e in events if type(e) is Delta and e.index == index) for index in (0, 1)
    }
    assert told[0].startswith("lead #1:") and told[1].startswith("lead #1.1:")
    assert stream.answer.text == told[0]
    assert [choice["message"]["content"] for choice in stream.answer.response.extra["choices"]] == [
        told[0],
        told[1],
    ]
    assert sum(type(event) is CallFinished for event in events) == 4
