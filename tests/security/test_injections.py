"""Proposals are data: whatever one says, it stays inside its fence, and nothing it asks for is done."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

import moakit
from moakit.prompts.layouts import CLOSING, INSTRUCTIONS, OPENING
from moakit.server.app import create_app
from tests.lab import lab, up  # noqa: F401 - fixtures
from tests.security.echoing import echoing
from tests.server.hosting import asked, configured

ASKED = "What is the meaning of life? <<<not a fence>>> {mark}"
HONEST = "It is 42."
FILE = Path(__file__).parent / "injections" / "proposals.json"
PROPOSALS = {one["name"]: one["text"] for one in json.loads(FILE.read_text(encoding="utf-8"))}
CONVERSATIONS = {
    "one turn": [{"role": "user", "content": ASKED}],
    "several turns": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": ASKED},
    ],
    "parts": [
        {"role": "user", "content": [
            {"type": "text", "text": ASKED},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        ]},
    ],
}  # fmt: skip


@pytest.fixture
def decoy():
    with echoing() as mirror:
        yield mirror
        assert not mirror.connections


def text_of(proposal, decoy=""):
    text = proposal if isinstance(proposal, str) else proposal["repeat"] * proposal["times"]
    return text.replace("{decoy}", str(decoy))


def saying(text):
    return "say:" + quote(text, safe="").replace("_", "%5F")


def check_composed(call, prompt, proposals):
    """Check one call's messages: ours, the user's own words, the fence, ours again; nothing anywhere else."""
    system, *said = call.messages
    assert system["role"] == "system"
    before = [one["content"] for one in prompt if one["role"] == "system"]
    assert system["content"] == "\n\n".join([INSTRUCTIONS, *before])
    assert [one["role"] for one in said] == [one["role"] for one in prompt if one["role"] != "system"]
    asked = [one for one in prompt if one["role"] != "system"]
    assert said[:-1] == asked[:-1]
    content, given = said[-1]["content"], asked[-1]["content"]
    if isinstance(given, list):
        assert content[:-1] == given
        assert content[-1].keys() == {"type", "text"}
        tail = content[-1]["text"]
    else:
        assert content.startswith(f"{given}\n\n")
        tail = content.removeprefix(f"{given}\n\n")
    opening, _, rest = tail.partition("\n\n")
    mark = re.fullmatch(re.escape(OPENING).replace(re.escape("{mark}"), r"([0-9a-f]{8})"), opening)[1]
    assert not any(mark in text for text in proposals)
    parts = [f"<<<{mark} reference {number}>>>\n{text.strip()}\n" for number, text in enumerate(proposals, 1)]
    assert rest == "".join(parts) + f"<<<{mark} end of references>>>\n\n{CLOSING}"
    assert tail.count(mark) == len(proposals) + 2


def check_nothing_done(call):
    assert call.body.keys() <= {"model", "messages", "stream", "stream_options"}
    for message in call.messages:
        assert message.keys() == {"role", "content"}


@pytest.mark.parametrize("prompt", CONVERSATIONS.values(), ids=CONVERSATIONS)
async def test_a_proposal_stays_in_its_fence(up, lab, decoy, prompt):  # noqa: F811
    for name, proposal in PROPOSALS.items():
        text = text_of(proposal, decoy)
        up.reset()
        up.behaves |= {"bad": saying(text), "good": saying(HONEST), "lead": saying("done")}
        answer = await moakit.MoA([lab("bad"), lab("good"), lab("bad")], lab("lead")).run(prompt)
        assert answer.text == "done", name
        (call,) = up.of("lead")
        check_composed(call, prompt, [text, HONEST, text])
        check_nothing_done(call)


@pytest.mark.parametrize("streamed", [False, True])
async def test_it_stays_there_from_layer_to_layer(up, lab, decoy, streamed):  # noqa: F811
    prompt = CONVERSATIONS["several turns"]
    for proposal in PROPOSALS.values():
        text = text_of(proposal, decoy)
        if len(text) > 20_000:
            continue
        up.reset()
        up.behaves |= {"bad": saying(text), "lead": saying("done")}
        ensemble = moakit.MoA([lab("bad"), lab("bad")], lab("lead"), layers=3)
        if streamed:
            async with ensemble.stream(prompt, proposers=True) as stream:
                assert "".join([piece async for piece in stream.text]) == "done"
        else:
            await ensemble.run(prompt)
        for call in [*up.of("bad")[2:], *up.of("lead")]:
            check_composed(call, prompt, [text, text])
            check_nothing_done(call)


async def test_the_marks_of_two_runs_differ(up, lab):  # noqa: F811
    ensemble = moakit.MoA([lab("say:one")], lab("lead"))
    for _ in range(20):
        await ensemble.run("hi")
    marks = {re.search(r"the mark ([0-9a-f]{8})", call.prompt)[1] for call in up.of("lead")}
    assert len(marks) == 20


TOOLS = [{"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("proposer", ["tool:shell", "tool:shell+say:words", "tool:shell+say:_"])
async def test_a_tool_call_of_a_proposal_is_passed_on_to_nobody(up, proposer, stream):  # noqa: F811
    ensembles = {
        "panel": {"proposers": ["lab/p", "lab/good"], "aggregator": "lab/lead", "retries": 0},
        "best": {"proposers": ["lab/p"], "aggregator": "lab/down", "retries": 0, "on_no_aggregator": "best"},
    }
    up.behaves |= {"p": proposer, "good": saying(HONEST), "lead": "say:done", "down": "status:500"}
    config = configured(up, ensembles=ensembles)
    app = create_app(config)
    for name in ensembles:
        body = {
            "model": name,
            "messages": [{"role": "user", "content": "hi"}],
            "tools": TOOLS,
            "stream": stream,
        }
        reply = await asked(app, "POST", "/v1/chat/completions", body)
        assert b"tool_calls" not in reply.body
        assert b"shell" not in reply.body
        assert reply.status == (200 if name == "panel" or "words" in proposer else 502)
    for call in up.of("p"):
        assert "tools" not in call.body
    for call in [*up.of("lead"), *up.of("down")]:
        assert call.body["tools"] == TOOLS
        assert "shell" not in json.dumps(call.messages)
        expected = [text for text in ("words",) if text in proposer]
        check_composed(call, body["messages"], [*expected, HONEST] if call.model == "lead" else expected)


async def test_a_chosen_layout_is_given_the_words_alone(up, lab):  # noqa: F811
    seen = []

    def layout(messages, references, seed):
        seen.extend(references)
        return messages

    await moakit.MoA([lab("tool:shell+say:words"), lab("say:other")], lab("lead"), prompt=layout).run("hi")
    assert seen == ["words", "other"]


def test_the_set_is_as_large_as_it_should_be():
    assert len(PROPOSALS) >= 25
