"""Turns: what comes back from Open WebUI, pictures, and leaving."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit import MoA, Response
from moakit.events import CallFinished, LayerStarted
from moakit.observe.openwebui import Commentary
from moakit.server.openwebui.history import cleaned, without_decorations
from tests.server.hosting import configured, hosted
from tests.server.openwebui.streams import OURS, pieces, say, send

BOUND = 1.0
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def test_a_second_turn_carries_the_history_without_decorations(up):
    up.behaves["lead"] = "say:the_answer"
    with hosted(configured(up, show_proposers="details")) as server:
        first = "".join(pieces(say(server, "why")))
        assert first.count("<details") == 3
        up.reset()
        said = {"role": "assistant", "content": f"<think>hm</think>{first}"}
        say(server, [{"role": "user", "content": "why"}, said, {"role": "user", "content": "and then?"}])
    assert len(up.calls) == 4
    for call in up.calls:
        assert [message["content"] for message in call.messages if message["role"] == "assistant"] == [
            "the answer"
        ]
        assert "<details" not in call.prompt and "<think>" not in call.prompt


def test_what_users_write_is_left_alone():
    said = [{"role": "user", "content": '<details type="moa">mine</details><think>x</think>'}]
    assert cleaned(said) == said


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('<details type="moa"><summary>a</summary>\n\nb\n\n</details>\n\nyes', "yes"),
        ('<details type="moa">a</details>\n<details type="moa" open>b</details>\n\nyes', "yes"),
        ("<think>\nhm\n</think>\n\nyes", "yes"),
        ('<details type="other">a</details>yes', '<details type="other">a</details>yes'),
        ('<details type="moa">never ends', '<details type="moa">never ends'),
        ("the tag <think> opens", "the tag <think> opens"),
    ],
)
def test_our_decorations_alone_are_taken_out(text, left):
    assert without_decorations(text) == left
    parts = [{"type": "text", "text": text}]
    assert cleaned([{"role": "assistant", "content": parts}])[0]["content"] == [
        {"type": "text", "text": left}
    ]


def test_a_message_of_nothing_else_goes():
    stopped = {"role": "assistant", "content": '<details type="moa">a</details>\n\n'}
    user = {"role": "user", "content": "why"}
    assert cleaned([user, stopped, user]) == [user, user]
    called = {**stopped, "tool_calls": [{"id": "c"}]}
    assert cleaned([called]) == [{**called, "content": ""}]


@given(st.lists(st.sampled_from(['<details type="moa"', ">", "</details>", "<think>", "</think>", "a", " "])))
def test_whatever_is_sent_back_the_rest_of_it_stays(pieces):
    text = "".join(pieces)
    left = without_decorations(text)
    assert left.count("a") <= text.count("a") and len(left) <= len(text)
    letters = iter(text)
    assert all(letter in letters for letter in left)
    if "</details>" not in text and "</think>" not in text:
        assert left == text


@given(
    st.lists(
        st.sampled_from(["<details", "</details>", "</DETAILS >", "<think>", "&lt;", "\n", "a"]), max_size=9
    ),
    st.lists(st.sampled_from(["yes", "\n", "<", "</p>", "&lt;details"]), max_size=5)
    .map("".join)
    .map(str.strip),
)
def test_what_is_shown_of_any_proposal_is_taken_out_again(pieces, answer):
    commentary = Commentary(MoA(["demo/planner", "demo/skeptic"], "demo/editor"), "details")
    response = Response(text="".join(pieces), model="demo/planner")
    events = [
        LayerStarted(run_id="r", path="0", at=0.0, name="Proposers"),
        CallFinished(run_id="r", path="0.0", at=0.0, response=response),
    ]
    notes = [note for event in events for note in commentary.on(event) if note.kind == "content"]
    assert len(notes) == 1 and notes[0].content.count("</details>") == 1
    assert without_decorations(notes[0].content + answer) == answer


def test_openings_without_an_end_take_no_longer():
    began = time.monotonic()
    without_decorations('<details type="moa"' * 200_000)
    without_decorations("<think>" * 500_000 + "</details>" * 1000)
    assert time.monotonic() - began < 1


def test_pictures_reach_every_model(up, served):
    say(served, [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, PICTURE]}])
    assert len(up.calls) == 4
    for call in up.calls:
        assert PICTURE in call.messages[-1]["content"]


@pytest.mark.parametrize("model", ["one", "lead"])
def test_stop_ends_every_upstream_call(up, served, model):
    up.behaves[model] = "tokens:500+pace:0.02" if model == "lead" else "hang"
    with contextlib.closing(send(served, OURS)):
        end = time.monotonic() + 5
        while not (up.of(model) and (model == "lead" or len(up.open) == 1)):
            assert time.monotonic() < end
            time.sleep(0.002)
    left = time.monotonic()
    up.wait_idle(BOUND)
    assert time.monotonic() - left < BOUND
    assert up.of(model)[0].status == "aborted" and (model == "lead" or up.of("lead") == [])
