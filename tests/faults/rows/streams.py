"""Answers that break off, stall, do not end or are no answers at all (F10 to F14)."""

import asyncio
from itertools import count

import moakit
from moakit import BadResponse, Delta
from tests.faults.card import row
from tests.faults.case import Case, Server, each
from tests.lab import references_in

WORDS = 60
WHOLE = " ".join(f"w{number + 1}" for number in range(WORDS))
BROKEN = {
    "cut": f"tokens:{WORDS}+cut:40",
    "malformed": f"tokens:{WORDS}+badchunk:40",
    "not UTF-8": f"tokens:{WORDS}+badutf8:40",
    "an error inside": f"tokens:{WORDS}+error_in_stream:40",
    "no finish_reason": f"tokens:{WORDS}+nofinish+nodone",
}
"""Ways in which a stream ends before its answer does, after which another attempt is worth it."""


@row(
    "F10",
    "connection reset; the keep-alive race",
    "one free retry if no byte had come; 0 visible errors in 10,000 requests",
    busy=True,
)
async def resets(case: Case) -> str:
    lab, requests, loop = case.lab(), case.count(10_000, least=400), asyncio.get_running_loop()
    alone = moakit.Sequential(lab("reset+times:1+say:here"), retries=0)
    began = loop.time()
    case.holds("there was no free retry", (await alone.run("why")).text == "here")
    case.at_most("seconds waited before it", loop.time() - began, 0.1)
    # Seldom enough that no request meets it three times in a row, which is as often as it is made.
    ensembles = [lab(f"{fault}+say:here") for fault in ("stale+every:41", "reset+every:97")]

    async def once(number: int) -> bool:
        try:
            return (await ensembles[number % 2].run("why")).text == "here"
        except moakit.MoaError as error:
            case.holds(f"a visible error: {error}", len(case.failures) > 3)
            return False

    visible = (await each((once(number) for number in range(requests)), at_once=32)).count(False)
    repeated = len(case.up.calls) - 2 - requests
    case.holds(f"{visible} visible errors", visible == 0)
    case.holds("nothing was ever reset", repeated > requests / 100)
    return f"{visible} visible errors in {requests:,} requests, {repeated:,} of them made again"


@row(
    "F11",
    "proposer stream cut, stalled, ended without finish_reason, with a bad chunk, with a BOM",
    "retried or replaced unseen; truncated text is never used as if complete",
)
async def broken_proposers(case: Case) -> str:
    lab, wait = case.lab(), case.seconds(2, least=0.3)
    shown, numbers = 0, count()

    async def run(behaviour: str, *, streamed: bool, times: str = "", fallback: bool = False) -> None:
        nonlocal shown
        name = f"{behaviour}+{streamed}{times}+{fallback}"
        case.up.behaves[name] = behaviour + times
        spare = lab(f"tokens:{WORDS}") if fallback else ()
        lead = f"lead-{next(numbers)}"
        timers = {"first_token": wait, "idle": wait} if streamed else {"timeout": wait}
        ensemble = moakit.MoA([lab(name, fallback=spare), lab("a"), lab("b")], lab(lead), quorum=3, **timers)
        answer = await ensemble.run("why")
        texts = references_in(case.up.of(lead)[0])
        expected = 3 if times or fallback else 2
        case.holds(f"{name}: {len(texts)} references, not {expected}", len(texts) == expected)
        whole = [text for text in texts if "w1" in text]
        case.holds(f"{name}: a truncated text was shown", whole == [WHOLE] * (expected - 2))
        case.holds(f"{name}: nothing says so", answer.degraded or times)
        shown += 1

    runs = []
    for streamed in (True, False):
        broken = [*BROKEN.values()] if streamed else [BROKEN["cut"], BROKEN["malformed"], BROKEN["not UTF-8"]]
        for behaviour in broken:
            runs.append(run(behaviour, streamed=streamed, times="+times:1"))
            runs.append(run(behaviour, streamed=streamed))
            runs.append(run(behaviour, streamed=streamed, fallback=True))
        stalled = f"tokens:{WORDS}+hang_after:40"
        runs += [run(stalled, streamed=streamed), run(stalled, streamed=streamed, fallback=True)]
    await asyncio.gather(*runs)
    for streamed in (True, False):
        marked = f"bom-{streamed}"
        case.up.behaves[marked] = f"bom+tokens:{WORDS}"
        timers = {"first_token": wait} if streamed else {}
        answer = await moakit.MoA([lab(marked)], lab("lead"), **timers).run("why")
        case.holds("a byte order mark spoiled it", answer.references[0].text == WHOLE)
        case.holds("a byte order mark made it ask again", len(case.up.of(marked)) == 1)
    return f"{shown} runs, 0 truncated texts among the references"


@row("F12", "the same in the aggregator before its first token", "restarted on the fallback")
async def broken_before_the_first_token(case: Case) -> str:
    wait = case.seconds(2, least=0.3)
    early = (
        "cut:0", "hang_after:0", "badchunk:0", "badutf8:0", "error_in_stream:0", "reset", "close", "hang",
        "status:500", "notjson", "error200", "empty+nofinish+nodone",
    )  # fmt: skip
    common = {"proposers": ["lab/a", "lab/b"], "first_token": wait, "retries": 0}
    ensembles = {
        fault: {**common, "aggregator": f"lab/{fault}", "fallback": f"lab/tokens:{WORDS}"} for fault in early
    }
    server = await case.serve(ensembles)
    heard = await asyncio.gather(*(server.chat(fault, stream=True) for fault in early))
    for fault, answer in zip(early, heard, strict=True):
        told = answer.error.get("message", answer.text)
        case.holds(f"{fault}: the client heard {told[:80]!r}", answer.done and answer.text == WHOLE)
    return (
        f"{sum(answer.done and answer.text == WHOLE for answer in heard)} of {len(early)} ways answered whole"
    )


@row(
    "F13",
    "the same after its first token",
    "in-band error and no `[DONE]`, or continued without doubling; 0 of 1,000 truncated answers shown as "
    "complete",
    busy=True,
)
async def broken_after_the_first_token(case: Case) -> str:
    idle = case.seconds(2, least=0.3)
    broken = [*BROKEN.values(), f"tokens:{WORDS}+nofinish", f"tokens:{WORDS}+hang_after:40"]
    # Were all of it to come at once, nothing would have been sent to the client before it breaks.
    faults = [f"{fault}+pace:0.001" for fault in broken]
    common = {"proposers": ["lab/a"], "idle": idle}
    # Were the breaker to open, nothing would break any more.
    lab = {"base_url": case.up.base_url, "api_key": "${LAB_KEY}", "price": 0, "breaker": 0}

    def ensembles(**settings: str) -> dict[str, object]:
        spare = f"lab/tokens:{WORDS}"
        return {
            fault: {**common, "aggregator": f"lab/{fault}", "fallback": spare, **settings} for fault in faults
        }

    async def wrong(server: Server, *, continued: bool) -> tuple[int, int, int]:
        """Count answers shown as complete that are not, broken off without a word, and doubled."""
        asked = [server.chat(faults[place % len(faults)], stream=True) for place in range(half)]
        heard = await each(asked, at_once=16)
        truncated = [one for one in heard if one.done and one.text != WHOLE]
        untold = [one for one in heard if not one.done and not one.error]
        shown = [one for one in heard if one.status == 200]
        case.holds(f"only {len(shown)} of {half} broke after the first token", len(shown) > 0.9 * half)
        other = [one for one in heard if one.text not in beginnings]
        if continued:
            other += [one for one in heard if not one.done]
        for one in other[:2]:
            case.holds(f"the client read {one.text!r} {one.error}", so=False)
        return len(truncated), len(untold), len(other)

    half = case.count(500, least=28)
    beginnings = {" ".join(WHOLE.split()[:words]) for words in range(WORDS + 1)}
    told = await wrong(await case.serve(ensembles(), {"lab": lab}), continued=False)
    case.holds(f"on_cut = error: {told} complete, untold, doubled", told == (0, 0, 0))
    served = await case.serve(ensembles(on_cut="continue"), {"lab": lab})
    went_on = await wrong(served, continued=True)
    case.holds(f"on_cut = continue: {went_on} complete, untold, doubled or given up", went_on == (0, 0, 0))
    return f"{told[0] + went_on[0]} of {2 * half:,} truncated answers shown as complete"


@row("F14", "no `[DONE]`; silence after finish_reason", "finished within 1 s")
async def no_end(case: Case) -> str:
    lab, loop = case.lab(), asyncio.get_running_loop()
    longest = 0.0
    for fault in ("nodone", "silent_end", "silent_end+usage_before", "nodone+nousage"):
        last = 0.0
        async with moakit.Sequential(lab(f"tokens:{WORDS}+{fault}")).stream("why") as stream:
            async for event in stream:
                last = loop.time() if type(event) is Delta else last
        longest = max(longest, loop.time() - last)
        case.holds(f"{fault}: not the whole text", stream.answer.text == WHOLE)
        proposer = lab(f"tokens:{WORDS}+{fault}+pace:0.001")
        began = loop.time()
        answer = await moakit.MoA([proposer], lab("lead"), first_token=5).run("why")
        longest = max(longest, loop.time() - began)
        case.holds(f"{fault}: a proposer's text is not whole", answer.references[0].text == WHOLE)
    case.at_most("seconds after the last token", longest, 1)
    return f"finished {longest * 1000:.0f} ms after the last token"


@row(
    "F18",
    "empty, whitespace-only, reasoning-only, null proposals",
    "failures, never references",
)
async def no_text(case: Case) -> str:
    lab = case.lab()
    kinds = (
        "empty",
        "blank",
        "null",
        "empty+reasoning:thinking",
        "null+reasoning:thinking",
        "say:+think:thinking",
    )
    asked = 0
    for streamed in ({}, {"first_token": 5}):
        for kind in kinds:
            answer = await moakit.MoA([lab(kind), lab("a"), lab("b")], lab("lead"), quorum=3, **streamed).run(
                "why"
            )
            case.holds(f"{kind}: became a reference", len(references_in(case.up.of("lead")[-1])) == 2)
            failed = [call for call in answer.failures if call.model == f"lab/{kind}"]
            case.holds(f"{kind}: not told", len(failed) == 1 and failed[0].error == BadResponse.__name__)
            asked += 1
    return f"0 of {asked} became a reference"
