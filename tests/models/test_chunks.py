"""Putting a stream's chunks together."""

import json

import pytest

from moakit.errors import BadResponse, ContentFiltered, RateLimited
from moakit.models.chunks import Assembly
from moakit.types import Usage
from tests.models.wire import Ear

DONE = b"[DONE]"


def chunk(delta=None, *, finish=None, index=0, choice=None, **fields):
    one = {"index": index, "delta": delta or {}, "finish_reason": finish} | (choice or {})
    return json.dumps({"id": "1", "choices": [one]} | fields).encode()


def says(*texts, finish="stop"):
    return [*(chunk({"content": text}) for text in texts), chunk(finish=finish)]


def assemble(*events, choices=1, key=None, ear=None):
    assembly = Assembly(ear or Ear(), model="lab/m", key=key, choices=choices)
    assembly.take(events)
    return assembly.reply()


def tokens(*texts):
    return {"logprobs": {"content": [{"token": text} for text in texts]}}


def test_texts_are_joined():
    assert assemble(*says("Hel", "", "lo"), DONE).text == "Hello"


def test_texts_that_come_together_are_told_together():
    ear = Ear()
    assemble(*says("Hel", "lo"), ear=ear)
    assert ear.heard == [("Hello", "content", 0, None)]


def test_what_a_chunk_says_is_told_in_its_order():
    ear = Ear()
    assemble(*says("a"), chunk({"reasoning": "b"}), *says("c"), ear=ear)
    assert [text for text, *_ in ear.heard] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_told_apart(name):
    ear = Ear()
    reply = assemble(chunk({name: " be"}), chunk({name: "cause\n"}), *says("42"), ear=ear)
    assert (reply.reasoning, reply.text) == ("because", "42")
    assert (ear.text("reasoning"), ear.text()) == (" because\n", "42")


def test_a_think_tag_in_pieces_is_reasoning():
    ear = Ear()
    reply = assemble(*says("<th", "ink>be", "cause</thi", "nk>\n", "\n42"), ear=ear)
    assert (reply.reasoning, reply.text) == (ear.text("reasoning"), ear.text()) == ("because", "42")


def test_what_was_held_back_is_told_at_the_end():
    ear = Ear()
    assert assemble(*says("<thi"), ear=ear).text == ear.text() == "<thi"


def test_white_space_alone_is_kept_and_not_told():
    ear = Ear()
    assert assemble(*says(" \n", "\t "), ear=ear).text == " \n\t "
    assert ear.heard == []


def test_tool_calls_are_put_together_from_fragments():
    ear = Ear()
    first = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
    other = {
        "index": 1,
        "id": "2",
        "function": {"name": "g", "arguments": "{}"},
        "extra_content": {"sign": "x"},
    }
    rest = {"index": 0, "function": {"arguments": '{"x": '}}, {"index": 0, "function": {"arguments": "1}"}}
    deltas = [[first], [rest[0], other], [rest[1]]]
    reply = assemble(
        *(chunk({"tool_calls": fragments}) for fragments in deltas), chunk(finish="tool_calls"), ear=ear
    )
    assert reply.tool_calls == (
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {
            "id": "2",
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
            "extra_content": {"sign": "x"},
        },
    )
    assert [data["tool_calls"] for data in ear.data("tool")] == deltas


@pytest.mark.parametrize("place", ["before", "with", "after"])
def test_usage_may_come_before_with_or_after_the_finish(place):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
    alone = json.dumps({"choices": [], "usage": usage}).encode()
    events = {
        "before": [chunk({"content": "a"}), alone, chunk(finish="stop")],
        "with": [chunk({"content": "a"}), chunk(finish="stop", usage=usage)],
        "after": [*says("a"), alone],
    }
    assert assemble(*events[place], DONE).usage == Usage(3, 2, 5, 1)


def test_the_last_of_several_usages_counts():
    usages = [{"prompt_tokens": 3, "completion_tokens": count} for count in (1, 2)]
    events = (chunk({"content": "a"}, usage=usage) for usage in usages)
    assert assemble(*events, chunk(finish="stop", usage=None)).usage == Usage(3, 2, 5)


def test_groq_reports_usage_in_a_field_of_its_own():
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert assemble(chunk(finish="stop", x_groq={"id": "1", "usage": usage})).usage == Usage(3, 2, 5)


def test_unknown_fields_are_kept():
    first = chunk({"role": "assistant", "content": "", "annotations": [1]}, provider="x", service_tier=None)
    last = chunk({"annotations": [2]}, finish="stop", choice={"stop_reason": 7}, provider="y")
    assert assemble(first, *says("a"), last).extra == {
        "annotations": [1, 2],
        "stop_reason": 7,
        "provider": "y",
    }


def test_an_unknown_text_grows_with_every_fragment():
    assert assemble(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), *says()).extra == {
        "refusal": "I won't"
    }


def test_logprobs_are_kept_and_told():
    ear = Ear()
    events = [chunk({"content": text}, choice=tokens(text)) for text in ("a", "b")]
    reply = assemble(*events, chunk(finish="stop", choice={"logprobs": None}), ear=ear)
    assert reply.extra == tokens("a", "b")
    assert ear.data() == [tokens("a"), tokens("b")]


def test_logprobs_of_what_was_held_back_are_told_with_it():
    ear = Ear()
    assemble(*(chunk({"content": text}, choice=tokens(text)) for text in ("\n", "<", "b")), *says(), ear=ear)
    assert ear.heard == [("\n<b", "content", 0, tokens("\n", "<", "b"))]


@pytest.mark.parametrize("logprobs", [-0.5, [1], {"content": None}, {"content": 3}, {"tokens": ["a"]}])
def test_logprobs_of_another_form_do_no_harm(logprobs):
    events = [chunk({"content": text}, choice={"logprobs": logprobs}) for text in ("<", "b")]
    assert assemble(*events, *says()).text == "<b"


def test_several_choices_are_told_and_kept():
    ear = Ear()
    events = [
        chunk({"content": text}, index=index) for index, text in ((0, "a"), (1, "b"), (0, "A"), (1, "B"))
    ]
    assembly = Assembly(ear, model="lab/m", key=None, choices=2)
    assembly.take([*events, chunk(finish="stop")])
    assert not assembly.finished
    assembly.take([chunk(finish="length", index=1)])
    assert assembly.finished
    reply = assembly.reply()
    assert (reply.text, ear.text(), ear.text(index=1)) == ("aA", "aA", "bB")
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in reply.extra["choices"]] == [
        (0, "aA", "stop"),
        (1, "bB", "length"),
    ]


def test_a_choice_that_was_cut_off_spoils_the_stream():
    with pytest.raises(BadResponse, match="before the answer was complete"):
        assemble(chunk({"content": "b"}, index=1), *says("a"), choices=2)


@pytest.mark.parametrize("events", [[], [DONE], [chunk({"content": "a"})], [chunk({"content": "a"}), DONE]])
def test_a_stream_without_a_finish_reason_is_no_answer(events):
    with pytest.raises(BadResponse, match="before the answer was complete"):
        assemble(*events)


def test_a_stream_needs_no_done():
    assert assemble(*says("a")).text == "a"


def test_nothing_is_taken_after_done():
    ear = Ear()
    assembly = Assembly(ear, model="lab/m", key=None)
    assembly.take([*says("a"), DONE, b"junk", chunk({"content": "b"})])
    assembly.take([b"more junk", chunk({"content": "c"})])
    assert assembly.reply().text == ear.text() == "a"


@pytest.mark.parametrize("data", [b"", b" ", b" [DONE] \n"])
def test_blanks_around_events_do_no_harm(data):
    assert assemble(*says("a"), data).text == "a"


def test_an_error_in_the_stream_is_an_error():
    with pytest.raises(RateLimited, match="slow down"):
        assemble(chunk({"content": "a"}), b'{"error": {"message": "slow down", "code": 429}, "choices": []}')


@pytest.mark.parametrize("event", [b"junk", b'{"error": {"code": 500}}', chunk("junk")])
def test_what_follows_the_end_cannot_spoil_it(event):
    assert assemble(*says("a"), event).text == "a"


def test_an_error_inside_a_choice_is_an_error():
    with pytest.raises(BadResponse, match="gone"):
        assemble(chunk(finish="error", choice={"error": {"message": "gone", "code": 502}}))


def test_the_content_filter_without_text_is_an_error():
    with pytest.raises(ContentFiltered):
        assemble(chunk(finish="content_filter"))


@pytest.mark.parametrize(
    "event",
    [
        b"{",
        b'{"choices": [{"delta": {"conte',
        b'{"a": "\xff"}',
        b'{"a": "b\x00"}',
        b"[]",
        b"1",
        b"[" * 100_000,
        b'{"choices": 1}',
        b'{"choices": [1]}',
        b'{"choices": [{"delta": "a"}]}',
        b'{"choices": [{"index": "a"}]}',
        b'{"choices": [{"index": [0], "delta": {"content": "a"}}]}',
        b'{"choices": [{"delta": {"tool_calls": 1}}]}',
        b'{"choices": [{"delta": {"tool_calls": [1]}}]}',
        b'{"choices": [{"delta": {"tool_calls": [{"function": "f"}]}}]}',
    ],
)
def test_a_malformed_chunk_spoils_the_stream(event):
    with pytest.raises(BadResponse):
        assemble(chunk({"content": "a"}), event)


def test_a_malformed_chunk_is_shown_without_the_key():
    key = "k3y-of-forty-letters-" + "x" * 19
    with pytest.raises(BadResponse) as caught:
        assemble(b"<p>" + b"y" * 80 + key.encode(), key=key)
    assert key[:10] not in str(caught.value)


@pytest.mark.parametrize("value", [True, 5, "x", ["x"]])
@pytest.mark.parametrize("name", ["choices", "logprobs"])
def test_a_field_where_it_does_not_belong_is_passed_over(name, value):
    top = {name: value} if name == "logprobs" else {}
    choice = {name: value} if name == "choices" else {}
    events = [chunk({"role": "assistant", name: value}, choice=choice, **top)]
    events.append(chunk({"content": "b"}, choice=tokens("b")))
    assert assemble(*events, chunk(finish="stop")).extra == tokens("b")
