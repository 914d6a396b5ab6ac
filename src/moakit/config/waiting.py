"""The keys of waiting and failing, which most layers share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
WholeNotNegative = Annotated[int, Meta(ge=0)]
BudgetOf = float | dict[str, Any]


def doc(text: str) -> Meta:
    """Return the description of a key, for the documentation."""
    return Meta(description=text)


class Waiting(msgspec.Struct, kw_only=True, frozen=True):
    """How long to wait, and what to do when something fails."""

    quorum: Annotated[Count | None, doc("go on, after `grace`, once this many proposals are there")] = None
    grace: Annotated[NotNegative | None, doc("seconds to wait for the rest once the quorum is there")] = None
    minimum: Annotated[Count | None, doc("fewer proposals than this in the end are an error")] = None
    agreement: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        doc("stop waiting once the proposals, two or more, agree this much, by their words"),
    ] = None
    deadline: Annotated[Seconds | None, doc("seconds for the whole run; on a layer, for that layer")] = None
    timeout: Annotated[Seconds | None, doc("seconds for one call")] = None
    first_token: Annotated[
        Seconds | None, doc("seconds to the first token; proposers are streamed when it is set")
    ] = None
    idle: Annotated[
        Seconds | None, doc("seconds between two tokens; proposers are streamed when it is set")
    ] = None
    retries: Annotated[WholeNotNegative | None, doc("attempts of a call after the first")] = None
    strict: Annotated[bool | None, doc("wait for every proposer; any failure fails")] = None
    on_no_references: Annotated[
        Literal["error", "answer"] | None,
        doc("without any proposal: fail, or let the aggregator answer alone"),
    ] = None
    on_no_aggregator: Annotated[
        Literal["error", "best"] | None, doc("without an aggregator: fail, or answer with the best proposal")
    ] = None
    on_cut: Annotated[
        Literal["error", "continue"] | None,
        doc("the answer breaks off after its first token: fail, or let a fallback continue it"),
    ] = None
    hedge: Annotated[
        bool | None,
        doc("ask a second time beside a call that is slower than 95 of 100, for at most 5 % of the calls"),
    ] = None
    prompt: Annotated[
        str | dict[str, str] | None,
        doc('"moakit", "council", "together", or a table with `instructions`, `opening`, `closing`'),
    ] = None
    cite: Annotated[
        bool | None, doc("the answer may carry marks, `[1]`, that lead to its references; they are checked")
    ] = None
    reference_tokens: Annotated[
        Count | None, doc("the longest a reference is shown, in tokens; what is longer is cut in its middle")
    ] = None
    multiturn: Annotated[
        bool | None, doc("false sends the system message and the last user message only")
    ] = None
    tools: Annotated[
        Literal["aggregator", "reject", "bypass", "vote"] | None,
        doc(
            "who gets a request's tools: the aggregator; nobody, it is refused; the final agent, without "
            "asking proposers; proposers too, who vote on calls"
        ),
    ] = None
    merge: Annotated[
        Literal["aggregator", "fields"] | None,
        doc(
            "who merges proposals when a request asks for a JSON schema: the aggregator, or a merge of their "
            "fields, without a call"
        ),
    ] = None
    budget: Annotated[
        BudgetOf | None,
        doc("what one run may spend; on a layer, there: dollars, or a table of `tokens` and `dollars`"),
    ] = None
