"""Every row holds, small and with four times its bounds; no row is missing; the card can say no."""

import asyncio
import contextlib
import re

import openai
import pytest

from tests.faults import card
from tests.faults.card import LATER, Row, all_rows, found
from tests.faults.case import CARD, SUITE, USER, until
from tests.faults.page import PAGE, tables
from tests.faults.sixteen import FAULTS, PRIMARY, RETRIES, Outcome, judged

ROWS = all_rows()


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_holds(name):
    finding = await found(ROWS[name], SUITE)
    assert finding.passed, "\n".join(finding.failures)
    assert finding.figure


def test_no_row_is_missing():
    expected = {f"F{number}" for number in range(1, 33)} | {f"S{number:02}" for number in range(1, 17)}
    assert ROWS.keys() | LATER.keys() == expected
    assert not ROWS.keys() & LATER.keys()


def test_the_page_has_a_line_for_every_row():
    text = PAGE.read_text(encoding="utf-8")
    assert tables(text), "docs/faults.md has no place for the card"
    for name in (*ROWS, *LATER):
        assert len(re.findall(rf"^\| {name} \|", text, re.MULTILINE)) == 1, name


@contextlib.asynccontextmanager
async def sdk(primary, fallback, timeout):
    class Sdk:
        async def ask(self, question):
            messages = [{"role": "user", "content": question}]
            text, finish = "", None
            try:
                stream = await client.chat.completions.create(model=PRIMARY, messages=messages, stream=True)
                async for chunk in stream:
                    text += chunk.choices[0].delta.content or ""
                    finish = chunk.choices[0].finish_reason or finish
            except openai.OpenAIError as error:
                return Outcome(text=text, error=str(error))
            return Outcome(text=text, complete=finish is not None)

    given = {"base_url": primary.base_url, "api_key": "key", "max_retries": RETRIES, "timeout": timeout}
    async with openai.AsyncOpenAI(**given) as client:
        yield Sdk()


@pytest.mark.parametrize(
    ("name", "verdict"), [("S03", "pass"), ("S04", "safe"), ("S08", "safe"), ("S11", "pass")]
)
async def test_the_judge_tells_a_pass_from_a_clear_error(name, verdict):
    fault = next(fault for fault in FAULTS if fault.name == name)
    assert (await judged(fault, sdk, 0.05)).verdict == verdict


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(text="w1 w2", complete=True),
        Outcome(text="w1 w2"),
        Outcome(text="w1 w1 w2", complete=True, error="and yet"),
        Outcome(),
    ],
)
async def test_the_judge_fails_what_is_neither(outcome):
    @contextlib.asynccontextmanager
    async def opened(primary, fallback, timeout):
        class Wrong:
            async def ask(self, question):
                return outcome

        yield Wrong()

    fault = next(fault for fault in FAULTS if fault.name == "S03")
    assert (await judged(fault, opened, 0.05)).verdict == "fail"


async def test_what_a_row_leaves_behind_is_found(monkeypatch):
    monkeypatch.setattr(card, "SETTLING", 0.05)
    kept = []

    async def leaves(case):
        kept.extend([asyncio.create_task(asyncio.Event().wait()), PAGE.open(encoding="utf-8")])
        return "1"

    finding = await found(Row("X1", "nothing", "nothing", leaves, busy=False), SUITE)
    task, file = kept
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    file.close()
    assert not finding.passed
    assert "1 tasks" in finding.failures[0] and "1 descriptors" in finding.failures[0]


async def test_what_does_not_hold_is_told_with_its_figure():
    async def wrong(case):
        case.at_most("seconds", 9, 2)
        case.at_least("share", 0.5, 0.9)
        return "9 s"

    finding = await found(Row("X1", "nothing", "nothing", wrong, busy=False), SUITE)
    assert finding.failures == ("seconds: 9, at most 2",) and finding.figure == "9 s"


async def test_a_call_that_is_left_running_is_found(monkeypatch):
    monkeypatch.setattr(card, "SETTLING", 0.05)
    kept = []

    async def leaves(case):
        # A client that does not ask again when the upstream goes away under it.
        url, body = f"{case.up.base_url}/chat/completions", {"model": "hang", "messages": USER}
        kept.append(asyncio.create_task(case.client.post(url, json=body)))
        await until(lambda: case.up.open)
        return "1"

    finding = await found(Row("X1", "nothing", "nothing", leaves, busy=False), CARD)
    await asyncio.gather(*kept, return_exceptions=True)
    assert "still open: ['hang']" in finding.failures[0]
