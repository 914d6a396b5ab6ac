"""Whatever a provider does, nothing a program can see of a run has a secret in it."""

import asyncio
import io
import logging

import msgspec
import pytest
from rich.console import Console

import moakit
from moakit.errors import MoaError
from moakit.events import to_mapping
from moakit.observe.openwebui import Commentary
from moakit.observe.terminal import TerminalView
from moakit.policies import retry
from tests.lab import up  # noqa: F401 - a fixture
from tests.security.canaries import HEADER, PROVIDER_KEY, leaks, userinfo
from tests.security.faults import every_fault

WAYS = ("whole", "streamed", "all streamed")


def ensembles(upstream, fault):
    """Return ensembles over two providers, with the fault before and at the tail."""
    lab = moakit.Provider("lab", base_url=upstream.base_url, api_key=PROVIDER_KEY, headers={"a": HEADER})
    door = moakit.Provider("door", base_url=userinfo(upstream.base_url), headers={"a": HEADER})
    settings = {"temperature": 0.5, "timeout": 0.4}
    for faulty, sound in ((lab, door), (door, lab)):
        yield moakit.MoA(
            [faulty(fault, **settings), sound("one", **settings)], sound("lead"), retries=1, grace=0.4
        )
        yield moakit.MoA([sound("one"), sound("two")], faulty(fault, **settings), retries=1)


async def shown(ensemble, way):
    """Run an ensemble one way; return everything that can be seen of that."""
    text = [repr(ensemble), str(ensemble.summary()), repr(ensemble.to_config())]
    events = []
    try:
        if way == "whole":
            answer = await ensemble.run("hi")
        else:
            async with ensemble.stream("hi", proposers=way == "all streamed") as stream:
                async for event in stream:
                    events += [event]
                answer = stream.answer
        text += [repr(answer), str(answer), msgspec.json.encode(answer).decode()]
    except MoaError as error:
        text.append(error)
    return [*text, *drawn(ensemble, events)]


def drawn(ensemble, events):
    """Return what the views make of a run's events."""
    commentary = Commentary(ensemble, "details")
    out, err = io.StringIO(), io.StringIO()
    view = TerminalView(out=out, console=Console(file=err, width=300))
    for event in events:
        view.take(event)
        yield from (repr(event), str(to_mapping(event)), *map(repr, commentary.on(event)))
    view.close()
    yield from (out.getvalue(), err.getvalue())


async def test_no_secret_is_in_anything_that_is_seen_of_a_run(up, caplog, monkeypatch):  # noqa: F811
    monkeypatch.setattr(retry, "FIRST", 0.01)
    caplog.set_level(logging.DEBUG)
    faults = every_fault()
    runs = [(fault, way, one) for fault in faults for way in WAYS for one in ensembles(up, fault)]
    seen = await asyncio.gather(*(shown(one, way) for _, way, one in runs))
    told = {
        (fault, way): found
        for (fault, way, _), text in zip(runs, seen, strict=True)
        if (found := leaks(*text))
    }
    assert not told
    assert not leaks(caplog.text, *(record.__dict__ for record in caplog.records))
    # The search would find them: they were sent, and every fault was met.
    assert leaks(*(call.headers for call in up.calls)) >= {PROVIDER_KEY[:8], HEADER[:8]}
    assert {call.model for call in up.calls} >= set(faults)


@pytest.mark.parametrize(
    "secret", [PROVIDER_KEY, f"{PROVIDER_KEY}\n", f"clé {PROVIDER_KEY} é", f"{PROVIDER_KEY}\x00"]
)
async def test_a_secret_that_cannot_be_sent_is_not_told(up, secret):  # noqa: F811
    one = moakit.Provider("lab", base_url=userinfo(up.base_url), api_key=secret)  # two ways to say who one is
    two = moakit.Provider("lab", base_url=up.base_url, api_key=f"\n{secret} é")
    three = moakit.Provider("lab", base_url=up.base_url, headers={"a": f"\n{secret}"})
    for lab in (one, two, three):
        with pytest.raises(MoaError) as caught:
            await lab("m").run("hi")
        assert not leaks(caught.value)
