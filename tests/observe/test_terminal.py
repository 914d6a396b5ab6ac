"""The view of a run on a terminal, from the events of real and of made-up runs."""

import asyncio
import io
import re

import pytest
from rich.console import Console

import moakit
from moakit import MoA, Provider, RateLimited, Response, Usage
from moakit.events import (
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    Delta,
    Judged,
    LayerFinished,
    LayerStarted,
    RunFailed,
    RunFinished,
    RunStarted,
)
from moakit.observe.terminal import TerminalView, closing
from moakit.types import Answer, Call
from tests.upstream import Upstream


class Screen:
    """A view whose two streams are kept."""

    def __init__(self, *, terminal=False):
        self.out, self.err = io.StringIO(), io.StringIO()
        console = Console(
            file=self.err,
            force_terminal=terminal,
            width=100,
            highlight=False,
            color_system=None,
            legacy_windows=False,
        )
        self.view = TerminalView(out=self.out, console=console)

    def take(self, *events):
        for kind, path, fields in events:
            self.view.take(kind(run_id="run_1", path=path, at=1.0, **fields))
        return self

    @property
    def shown(self):
        return self.err.getvalue()

    @property
    def text(self):
        return self.out.getvalue()


async def run(ensemble, screen, prompt="why"):
    async with ensemble.stream(prompt, proposers=True) as stream:
        async for event in stream:
            screen.view.take(event)
    screen.view.close()


@pytest.fixture
async def up():
    async with Upstream() as upstream:
        yield upstream
        await moakit.aclose()


@pytest.fixture
def lab(up):
    return Provider("lab", base_url=up.base_url, api_key="lab-secret-1", price=2)


async def test_a_run_is_shown_layer_by_layer_and_then_its_answer(lab):
    screen = Screen()
    await run(MoA([lab("say:a_b_c"), lab("say:d")], lab("say:the_answer+nodone"), layers=3), screen)
    assert screen.text == "the answer\n"
    heads = re.findall(r"Layer \d", screen.shown)
    assert heads == ["Layer 1", "Layer 2", "Layer 3"]
    assert screen.shown.count("✓ lab/say:a_b_c") == 2
    assert re.search(r"✓ lab/say:a_b_c \d\.\d s · 3 tokens · \$0\.0000\d", screen.shown)
    assert re.search(r"→ lab/say:the_answer\+nodone answers, \d\.\d s after the start", screen.shown)
    assert re.search(r"\n\d\.\d s · \d+ tokens · \$0\.00\d+ · 5 calls\n$", screen.shown)


async def test_a_proposer_that_fails_is_shown_with_its_reason_and_at_the_end(lab):
    screen = Screen()
    await run(MoA([lab("say:a"), lab("status:401")], lab("say:yes"), retries=0), screen)
    assert re.search(r"✗ lab/status:401 +HTTP 401: Incorrect API key provided", screen.shown)
    assert "without lab/status:401 (failed)" in screen.shown and screen.text == "yes\n"


async def test_a_failed_run_ends_the_view_and_shows_no_answer(lab):
    screen = Screen()
    await run(MoA([lab("status:500"), lab("empty")], lab("say:yes"), retries=0), screen)
    assert "✗ lab/status:500" in screen.shown and "✗ lab/empty" in screen.shown
    assert screen.text == "" and screen.view._live is None  # noqa: SLF001  nothing is left running


async def test_an_answer_that_breaks_off_ends_on_a_line_of_its_own(lab):
    screen = Screen()
    await run(MoA([lab("say:a")], lab("tokens:4+cut:2")), screen)
    assert screen.text == "w1 w2\n"


async def test_a_single_model_and_an_answer_that_comes_whole_are_shown_too(lab):
    screen = Screen()
    await run(lab("say:hello"), screen)
    assert screen.text == "hello\n" and "→ lab/say:hello" in screen.shown
    screen = Screen()
    await run(
        MoA([lab("say:red"), lab("say:blue")], lab("status:500"), on_no_aggregator="best", retries=0), screen
    )
    assert screen.text == "blue\n" and "✗ lab/status:500" in screen.shown


async def test_leaving_in_the_middle_leaves_the_terminal_as_it_was(lab):
    screen = Screen(terminal=True)
    async with MoA([lab("hang")], lab("say:a")).stream("why", proposers=True) as stream:
        asked = False
        while not asked:
            for event in await stream.take():
                screen.view.take(event)
                asked = asked or isinstance(event, CallStarted)
        while "lab/hang" not in screen.shown:
            await asyncio.sleep(0.01)
    screen.view.close()
    assert screen.shown.count("\x1b[?25l") == screen.shown.count("\x1b[?25h") == 1
    screen.view.close()  # twice is once
    assert screen.shown.count("\x1b[?25h") == 1


STARTED = [
    (RunStarted, "", {"ensemble": "panel"}),
    (LayerStarted, "0", {"name": "Proposers"}),
    (CallStarted, "0.0", {"model": "lab/one", "role": "proposer"}),
]
LIMITED = RateLimited("rate limited: slow [down] please", model="lab/one")


def test_a_repeated_call_tells_why_and_when():
    screen = Screen().take(*STARTED, (CallRetried, "0.0", {"error": LIMITED, "wait": 1.5}))
    screen.view.close()
    assert "lab/one rate limited: slow [down] please; again in 1.5 s" in screen.shown


def test_a_call_that_succeeded_after_some_attempts_says_how_many():
    response = Response(text="a", usage=Usage(3, 1200, 1203), seconds=2.0, attempts=3, cost=0.5)
    screen = Screen().take(
        *STARTED,
        (CallRetried, "0.0", {"error": LIMITED, "wait": 1.5}),
        (CallFinished, "0.0", {"response": response}),
        (LayerFinished, "0", {"responses": (response,)}),
    )
    assert (
        "✓ lab/one 2.0 s · 1,200 tokens · $0.5000 · 3 attempts" in screen.shown
        and "again" not in screen.shown
    )


def test_what_is_being_written_is_counted():
    written = (Delta, "0.0", {"text": "word " * 40})
    for events, note in [
        ((), "waiting"),
        ((written,), "writing, about 50 tokens"),
        ((written,) * 2, "about 100"),
    ]:
        screen = Screen().take(*STARTED, *events)
        screen.view.close()
        assert note in screen.shown and screen.text == ""


def test_a_long_reason_is_shortened():
    screen = Screen().take(*STARTED, (CallFailed, "0.0", {"error": RateLimited("x" * 500), "final": True}))
    screen.view.close()
    assert "x" * 60 in screen.shown and "x" * 101 not in screen.shown.replace("\n", "")


def test_events_of_unknown_calls_and_inner_layers_are_passed_over():
    screen = Screen().take(
        (CallRetried, "9.9", {"error": LIMITED, "wait": 1}),
        (CallFailed, "9.9", {"error": LIMITED, "final": True}),
        (CallFinished, "9.9", {"response": Response(text="a")}),
        (Delta, "9.9", {"text": "a"}),
        (LayerStarted, "0.1", {"name": "MoA"}),
        (LayerFinished, "0.1", {"responses": ()}),
        (RunFailed, "", {"error": LIMITED}),
    )
    assert screen.text == "" and "Layer" not in screen.shown


def test_other_choices_reasoning_and_tool_calls_are_not_the_text():
    screen = Screen().take(
        *STARTED,
        (Delta, "", {"text": "thinking", "kind": "reasoning", "answer": True}),
        (Delta, "", {"text": "other", "answer": True, "index": 1}),
        (Delta, "", {"text": "", "kind": "tool", "answer": True, "data": {}}),
        (Delta, "", {"text": "yes", "answer": True}),
    )
    screen.view.close()
    assert screen.text == "yes\n"


EVIL = "a\x1b]52;c;aGk=\x07b\x1b[2Jc\x9b31md\re\x00f\x7f\tg\nh\u202e"


def test_control_codes_of_a_model_do_not_reach_the_terminal():
    error = RateLimited(f"no {EVIL}", model=EVIL)
    screen = Screen().take(
        *STARTED,
        (CallStarted, "0.1", {"model": EVIL, "role": "proposer"}),
        (CallFailed, "0.0", {"error": error, "final": True}),
        (LayerFinished, "0", {"responses": ()}),
        (Delta, "1.0", {"text": EVIL, "answer": True}),
        (RunFinished, "", {"answer": Answer(
            text=EVIL, response=Response(text=EVIL), failures=(Call(path="0.0", model=EVIL, status="failed"),)
        )}),
    )  # fmt: skip
    for text in (screen.text, screen.shown):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text), text
    assert screen.text.startswith("a]52;c;aGk=b[2Jc31mdef\tg\nh")


def test_the_last_line_tells_what_the_run_took():
    answer = Answer(text="a", response=Response(text="a"), usage=Usage(0, 0, 1200), cost=None, duration=95)
    assert closing(answer) == "1 min 35 s · 1,200 tokens · cost unknown · 0 calls"
    lost = Call(path="0.1", model="lab/b", status="cancelled")
    answer = Answer(
        text="a", response=Response(text="a"), cost=0.0, calls=(lost,), failures=(lost,), degraded=True
    )
    assert closing(answer) == "0.0 s · 0 tokens · $0 · 1 call · without lab/b (dropped)"
    answer = Answer(text="a", response=Response(text="a"), cost=0.0, degraded=True)
    assert closing(answer).endswith(" · degraded")


def test_a_run_stopped_by_the_user_says_so_and_keeps_what_was_done():
    screen = Screen().take(
        *STARTED,
        (CallStarted, "0.1", {"model": "lab/two", "role": "proposer"}),
        (CallFinished, "0.0", {"response": Response(text="a")}),
    )
    screen.view.stop()
    assert re.search(r"✓ lab/one .*\n. lab/two stopped", screen.shown) and screen.text == ""
    assert screen.shown.rstrip().endswith("stopped")


async def test_a_judge_judges_and_a_verdict_that_could_not_be_used_is_shown(lab):
    screen = Screen()
    ensemble = moakit.Sequential(lab("say:one", samples=2), moakit.BestOf(lab("say:hm")))
    await run(ensemble, screen)
    assert "✗ verdict there is no JSON object in it" in " ".join(screen.shown.split())
    assert screen.text == "one\n"
    screen = Screen(terminal=True)
    screen.take(
        (CallStarted, "1.0", {"model": "lab/judge", "role": "judge"}), (Delta, "1.0", {"text": "two"})
    )
    screen.take((Judged, "1", {"verdict": {"best": 1}}), (LayerFinished, "1", {"responses": ()}))
    assert "judging, about 1 token" in screen.shown and "verdict" not in screen.shown
