"""Proposals and those who read them: windows, filters, nobody left (F16, F17, F19, F20)."""

import moakit
from moakit import ContentFiltered
from tests.faults.card import row
from tests.faults.case import Case
from tests.lab import references_in

WINDOW = 2000
"""Tokens of the aggregator's window; the upstream counts words, of which there are never more."""


@row(
    "F16",
    "context overflow from long proposals",
    "packed to fit beforehand; never resent unchanged; 400 with the numbers if it cannot fit",
)
async def overflow(case: Case) -> str:
    case.up.behaves |= dict.fromkeys(("one", "two", "three"), "tokens:3000")
    case.up.behaves["small"] = f"context:{WINDOW}+say:done"
    small = {"base_url": case.up.base_url, "api_key": "key", "price": 0, "context_length": WINDOW}
    panel = {"proposers": ["lab/one", "lab/two", "lab/three"], "aggregator": "small/small"}
    server = await case.serve({"panel": panel}, providers={"small": small})
    heard = await server.chat(max_tokens=200)
    calls = case.up.of("small")
    case.holds(f"the client heard {heard.status} {heard.text!r}", heard.text == "done")
    case.holds(f"asked {len(calls)} times", len(calls) == 1)
    words = len(calls[0].prompt.split()) if calls else 0
    shown = references_in(calls[0]) if calls else []
    case.holds(f"{len(shown)} references were shown", len(shown) == 3)
    case.holds(f"only {words} of {WINDOW} words were used", words > WINDOW / 4)
    question = " ".join(["why"] * 2 * WINDOW)
    refused = await server.chat(text=question)
    told = refused.error.get("message", "")
    case.holds(f"the client got {refused.status}: {told}", refused.status == 400)
    case.holds("not the code that clients know", refused.error.get("code") == "context_length_exceeded")
    case.holds(f"the window is not told: {told}", str(WINDOW) in told.replace(",", ""))
    prompts = [call.prompt for call in case.up.of("small")]
    case.holds("the same prompt was sent again", len(set(prompts)) == len(prompts))
    return f"3 × 3,000 words packed into {words:,} of {WINDOW:,}, one call"


@row("F17", "content filter", "proposer dropped with its reason, no retry; the aggregator's is passed on")
async def filtered(case: Case) -> str:
    lab, asked = case.lab(), 0
    for streamed in ({}, {"first_token": 5}):
        for fault in ("filter400", "filter"):
            name = f"{fault}-{len(streamed)}"
            case.up.behaves[name] = fault
            answer = await moakit.MoA([lab(name), lab("a"), lab("b")], lab("lead"), quorum=3, **streamed).run(
                "why"
            )
            (failure,) = answer.failures
            case.holds(f"{name}: became a reference", len(answer.references) == 2)
            case.holds(f"{name}: the reason is {failure.error}", failure.error == ContentFiltered.__name__)
            case.holds(f"{name}: asked again", len(case.up.of(name)) == 1)
            asked += 1
    ensembles = {
        fault: {"proposers": ["lab/a"], "aggregator": f"lab/{fault}"} for fault in ("filter400", "filter")
    }
    server = await case.serve(ensembles)
    for fault in ensembles:
        for stream in (False, True):
            case.up.reset()
            heard = await server.chat(fault, stream=stream)
            reason = heard.finish or heard.error.get("code")
            case.holds(f"{fault}, stream={stream}: told {reason!r}", reason == "content_filter")
            case.holds(f"{fault}: the aggregator was asked again", len(case.up.of(fault)) == 1)
            asked += 1
    return f"{asked} of {asked} told with the reason, one attempt each"


@row(
    "F19",
    "all proposers fail, aggregator healthy",
    '502 with each cause (redacted); `on_no_references = "answer"` lets the aggregator answer alone, marked '
    "degraded",
)
async def nobody_proposes(case: Case) -> str:
    panel = {
        "proposers": ["lab/status:503", "lab/leak", "lab/notjson"], "aggregator": "lab/lead", "retries": 0,
    }  # fmt: skip
    server = await case.serve({"panel": panel, "alone": {**panel, "on_no_references": "answer"}})
    for stream in (False, True):
        refused = await server.chat(stream=stream)
        told = refused.error.get("message", "")
        case.holds(f"the client got {refused.status}", refused.status == 502)
        case.holds(f"not every cause is told: {told}", all(name in told for name in panel["proposers"]))
        case.holds("a key is told", b"lab-key" not in refused.raw)
        case.holds("the aggregator was called", not case.up.of("lead"))
    for stream in (False, True):
        options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        heard = await server.chat("alone", **options)
        case.holds("the aggregator did not answer alone", heard.done and heard.text.startswith("lead"))
        case.holds("nothing says that it is degraded", heard.headers.get("x-moa-degraded") == "true")
    return f"{refused.status} with {len(panel['proposers'])} causes; alone it answers, degraded"


@row(
    "F20",
    "the aggregator and its fallbacks fail before the first token",
    "the best proposal, marked degraded, or the error: `on_no_aggregator`",
)
async def nobody_aggregates(case: Case) -> str:
    faults = ("status:500", "cut:0", "reset", "empty", "retry_after:300")
    ensembles = {}
    for fault in faults:
        common = {
            "proposers": ["lab/say:the_same_words", "lab/say:the_same_words_too", "lab/say:others"],
            "aggregator": f"lab/{fault}", "fallback": f"lab/spare+{fault}", "retries": 0,
        }  # fmt: skip
        ensembles |= {f"error {fault}": common, f"best {fault}": {**common, "on_no_aggregator": "best"}}
    server = await case.serve(ensembles)
    for fault in faults:
        for stream in (False, True):
            refused = await server.chat(f"error {fault}", stream=stream)
            expected = 429 if fault.startswith("retry") else 502
            case.holds(f"{fault}: the client got {refused.status}", refused.status == expected)
            heard = await server.chat(f"best {fault}", stream=stream)
            case.holds(
                f"{fault}: not the best proposal: {heard.text!r}", heard.text.startswith("the same words")
            )
            case.holds(f"{fault}: not degraded", heard.headers.get("x-moa-degraded") == "true")
        asked = len(case.up.of(f"spare+{fault}"))
        case.holds(f"{fault}: the fallback was asked {asked} times", asked >= 4)
    return f"{len(faults)} ways, streamed and not: the best proposal or its error, as configured"
