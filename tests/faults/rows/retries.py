"""Refusals: how long a call waits, how often it is made again, who is told (F1 to F5)."""

import asyncio

import openai

import moakit
from tests.faults.card import row
from tests.faults.case import USER, Case, each
from tests.server.serving import KEY

ASKED = {"retry_after:1": 1.0, "retry_after_ms:700": 0.7, "retry_after:date2": 2.0}
"""The three forms of the header, and the least seconds each asks for."""


@row(
    "F1",
    "429 with Retry-After (seconds, ms, HTTP date)",
    "waited at least that long, jitter upwards; the other proposers are not touched",
    busy=True,
)
async def retry_after(case: Case) -> str:
    lab = case.lab()

    async def once(number: int, form: str) -> float:
        limited = f"limited-{number}-{form}"
        case.up.behaves[limited] = f"{form}+times:1+say:late"
        calm = [f"calm-{number}-{form}-{place}" for place in (1, 2)]
        team = [lab(name) for name in (limited, *calm)]
        answer = await moakit.MoA(team, lab("lead"), quorum=3).run("why")
        first, second = case.up.of(limited)
        case.holds(f"{form}: not every proposer is a reference", len(answer.references) == 3)
        for name in calm:
            (call,) = case.up.of(name)
            case.holds(f"{form}: {name} waited with it", (call.finished_at or 0.0) < second.at)
        asked = ASKED[form]
        if "date" in form:
            # A date has whole seconds, so it asks for up to one more.
            case.at_most(f"{form}: seconds waited", second.at - first.at, (asked + 1) * 1.1 + 0.1)
            case.holds(f"{form}: came back early", second.at - first.at >= asked)
            return 1.0
        return (second.at - first.at) / asked

    runs = [once(number, form) for number in range(case.count(20)) for form in ASKED]
    waited = await asyncio.gather(*runs)
    case.holds(f"came back after {min(waited):.3f} of what was asked", min(waited) >= 1)
    case.at_most("waited, as a multiple of what was asked", max(waited), 1.5)
    case.holds("all came back at once, without jitter", max(waited) - min(waited) > 0.02)
    return f"{min(waited):.2f} to {max(waited):.2f} × what was asked, {len(waited)} runs"


@row(
    "F2",
    "Retry-After longer than the remaining deadline",
    "no wait: that proposer is dropped or replaced; 429 with Retry-After if nothing is left",
)
async def retry_after_beyond_the_deadline(case: Case) -> str:
    lab, loop = case.lab(), asyncio.get_running_loop()
    case.up.behaves["full"] = "retry_after:60"
    began = loop.time()
    dropped = await moakit.MoA([lab("full"), lab("a"), lab("b")], lab("lead"), quorum=3, deadline=20).run(
        "why"
    )
    case.holds("nothing was dropped", dropped.degraded and len(dropped.references) == 2)
    team = [lab("full", fallback=lab("spare")), lab("a"), lab("b")]
    replaced = await moakit.MoA(team, lab("lead"), quorum=3, deadline=20).run("why")
    case.holds("the fallback did not stand in", "lab/spare" in {one.model for one in replaced.references})
    took = (loop.time() - began) / 2
    server = await case.serve(
        {"panel": {"proposers": ["lab/full", "lab/full"], "aggregator": "lab/lead", "deadline": 20}}
    )
    began = loop.time()
    refused = await server.chat()
    took = max(took, loop.time() - began)
    case.holds(f"the client got {refused.status}", refused.status == 429)
    case.holds("Retry-After is not the provider's", refused.headers.get("retry-after") == "60")
    case.holds("a refused model was asked again", len(case.up.of("full")) == 4)
    case.at_most("seconds until it went on", took, 1)
    return f"went on after {took * 1000:.0f} ms, in place of 60 s"


@row(
    "F3",
    "429 or 503 for good on one of N",
    "answers from the others; at most 3 attempts a request; the breaker opens; over 200 requests retries "
    "stay within 10 %",
)
async def refused_for_good(case: Case) -> str:
    shares = []
    for status in (429, 503):
        bad, lab, requests = f"status:{status}", case.lab(), case.count(200, least=40)
        ensemble = moakit.MoA([lab(bad), lab("a"), lab("b")], lab("lead"), quorum=3)
        asked = [ensemble.run(f"question {number}") for number in range(requests)]
        answers = await each(asked, at_once=10)
        attempts = [
            call.attempts for answer in answers for call in answer.calls if call.model == f"lab/{bad}"
        ]
        case.holds(
            f"{status}: not every answer has two references", {len(a.references) for a in answers} == {2}
        )
        case.holds(f"{status}: {max(attempts)} attempts in one request", max(attempts) <= 3)
        seen = len(case.up.of(bad))
        case.holds(f"{status}: the breaker did not open: {seen} attempts in {requests}", seen < requests / 2)
        shares.append(sum(max(0, count - 1) for count in attempts) / requests)
        case.at_most(f"{status}: share of requests that were retries", shares[-1], 0.10)
    return f"retries {max(shares):.1%} of {requests} requests"


@row("F4", "every proposer 429", "429 with the longest Retry-After; the aggregator is not called")
async def all_refused(case: Case) -> str:
    waits = (130, 150, 140)
    team = [f"lab/retry_after:{seconds}" for seconds in waits]
    server = await case.serve({"panel": {"proposers": team, "aggregator": "lab/lead"}})
    for stream in (False, True):
        refused = await server.chat(stream=stream)
        told = refused.headers.get("retry-after")
        case.holds(
            f"the client got {refused.status}, Retry-After {told}", (refused.status, told) == (429, "150")
        )
    case.holds("the aggregator was called", not case.up.of("lead"))
    case.holds("somebody was asked twice", len(case.up.calls) == 2 * len(team))
    return (
        f"{refused.status}, Retry-After {told} of {waits}, aggregator called {len(case.up.of('lead'))} times"
    )


@row(
    "F5",
    "amplification",
    "upstream attempts are exactly the policy's; the openai SDK in front does not multiply them",
)
async def amplification(case: Case) -> str:
    """N proposers that fail for good make N times three attempts, however patient the client."""
    team = {stream: [f"bad-{stream}-{place}" for place in range(3)] for stream in (False, True)}
    case.up.behaves |= dict.fromkeys((name for names in team.values() for name in names), "status:500")
    ensembles = {
        f"bad-{stream}": {"proposers": [f"lab/{name}" for name in names], "aggregator": "lab/lead"}
        for stream, names in team.items()
    }
    well = {"proposers": ["lab/a", "lab/b", "lab/c"], "aggregator": "lab/lead"}
    server = await case.serve({**ensembles, "well": well})
    limit = 3 * 3

    async def attempts(sdk: openai.AsyncOpenAI, *, stream: bool) -> int:
        try:
            await sdk.chat.completions.create(model=f"bad-{stream}", messages=USER, stream=stream)
        except openai.APIStatusError as error:
            again = error.response.headers.get("x-should-retry")
            case.holds(f"x-should-retry is {again}", again == "false")
        else:
            case.holds("three refusals made an answer", so=False)
        made = sum(len(case.up.of(name)) for name in team[stream])
        case.holds(f"{made} attempts of {limit}", made == limit)
        return made

    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY) as sdk:
        totals = await asyncio.gather(attempts(sdk, stream=False), attempts(sdk, stream=True))
    for stream in (False, True):
        case.up.reset()
        heard = await server.chat("well", stream=stream)
        case.holds("a healthy run makes other calls than N + 1", heard.done and len(case.up.calls) == 4)
    return f"{totals[0]} and {totals[1]} attempts of {limit}, with the SDK's own retries on"
