"""One ensemble serves many runs at once; they share nothing."""

import asyncio
import re

from moakit import Delta, MoA, Proposers, Residual, Sequential
from tests.lab import references_in

MARKER = re.compile(r"user-\d{4}")


def markers(text):
    return set(MARKER.findall(text))


async def test_hundreds_of_runs_at_once_never_mix_a_message(up, lab):
    inner = MoA([lab("x"), lab("y+sleep:0.01")], lab("merge"))
    ensemble = Sequential(
        Proposers(lab("a+sleep:0.02"), lab("b", samples=2), inner),
        Residual(Proposers(lab("c"), lab("d+sleep:0.01"))),
        lab("lead+sleep:0.005"),
    )

    async def ask(number):
        marker = f"user-{number:04}"
        prompt = [
            {"role": "system", "content": f"You serve {marker}"},
            {"role": "user", "content": f"{marker} asks"},
        ]
        if number % 3:
            answer = await ensemble.run(prompt, user=marker)
        else:
            async with ensemble.stream(prompt, user=marker, proposers=number % 2 == 0) as stream:
                told = [event.text async for event in stream if type(event) is Delta and event.answer]
            answer = stream.answer
            assert "".join(told) == answer.text
        seen = [answer.text, *(reference.text for reference in answer.references)]
        assert all(markers(text) == {marker} for text in seen)
        return answer

    answers = await asyncio.gather(*map(ask, range(240)))
    assert len({answer.run_id for answer in answers}) == 240
    assert all(len(answer.calls) == ensemble.summary().calls for answer in answers)
    assert not any(answer.degraded for answer in answers)
    assert up.peak > 200
    assert len(up.calls) == 240 * ensemble.summary().calls
    for call in up.calls:
        (marker,) = markers(call.prompt)
        assert markers(call.raw.decode()) == {marker}
        if call.model.startswith("lead"):
            assert call.body["user"] == marker and len(references_in(call)) == 6
        else:
            assert "user" not in call.body


async def test_a_failure_of_one_run_is_not_another_ones(up, lab):
    ensemble = MoA([lab("context:6"), lab("a"), lab("b")], lab("lead"), grace=0)
    prompts = [("why " * (20 if number % 2 else 1)).strip() for number in range(60)]
    answers = await asyncio.gather(*map(ensemble.run, prompts))
    assert [len(answer.failures) for answer in answers] == [number % 2 for number in range(60)]


async def test_an_ensemble_is_the_same_after_its_runs(up, lab):
    ensemble = MoA([lab("a", seed=1, samples=2), lab("status:401")], lab("lead"), layers=3)
    before = repr(ensemble), ensemble.to_config()
    await asyncio.gather(*[ensemble.run("why") for _ in range(5)])
    assert (repr(ensemble), ensemble.to_config()) == before
    assert {call.body["seed"] for call in up.of("a")} == {1, 2}


async def test_the_messages_a_caller_passed_are_not_changed(up, lab):
    prompt = [{"role": "user", "content": [{"type": "text", "text": "why"}]}]
    await MoA([lab("a", system="Be brief")], lab("lead", system="Be brief"), layers=3).run(prompt)
    assert prompt == [{"role": "user", "content": [{"type": "text", "text": "why"}]}]
