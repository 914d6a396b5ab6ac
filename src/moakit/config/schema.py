"""Every key of `moa.toml`, with its type and its meaning: what is checked, and what is documented."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from moakit.config import routing, selecting

Positive = Annotated[float, Meta(gt=0)]
Seconds = Positive
Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
WholeNotNegative = Annotated[int, Meta(ge=0)]
PriceOf = float | dict[str, Any]
BudgetOf = float | dict[str, Any]


def _doc(text: str) -> Meta:
    return Meta(description=text)


class Waiting(msgspec.Struct, kw_only=True, frozen=True):
    """How long to wait, and what to do when something fails."""

    quorum: Annotated[Count | None, _doc("go on, after `grace`, once this many proposals are there")] = None
    grace: Annotated[NotNegative | None, _doc("seconds to wait for the rest once the quorum is there")] = None
    minimum: Annotated[Count | None, _doc("fewer proposals than this in the end are an error")] = None
    agreement: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        _doc("stop waiting once the proposals, two or more, agree this much, by their words"),
    ] = None
    deadline: Annotated[Seconds | None, _doc("seconds for the whole run; on a layer, for that layer")] = None
    timeout: Annotated[Seconds | None, _doc("seconds for one call")] = None
    first_token: Annotated[
        Seconds | None, _doc("seconds to the first token; proposers are streamed when it is set")
    ] = None
    idle: Annotated[
        Seconds | None, _doc("seconds between two tokens; proposers are streamed when it is set")
    ] = None
    retries: Annotated[WholeNotNegative | None, _doc("attempts of a call after the first")] = None
    strict: Annotated[bool | None, _doc("wait for every proposer; any failure fails")] = None
    on_no_references: Annotated[
        Literal["error", "answer"] | None,
        _doc("without any proposal: fail, or let the aggregator answer alone"),
    ] = None
    on_no_aggregator: Annotated[
        Literal["error", "best"] | None, _doc("without an aggregator: fail, or answer with the best proposal")
    ] = None
    on_cut: Annotated[
        Literal["error", "continue"] | None,
        _doc("the answer breaks off after its first token: fail, or let a fallback continue it"),
    ] = None
    hedge: Annotated[
        bool | None,
        _doc("ask a second time beside a call that is slower than 95 of 100, for at most 5 % of the calls"),
    ] = None
    prompt: Annotated[
        str | dict[str, str] | None,
        _doc('"moakit", "council", "together", or a table with `instructions`, `opening`, `closing`'),
    ] = None
    reference_tokens: Annotated[
        Count | None, _doc("the longest a reference is shown, in tokens; what is longer is cut in its middle")
    ] = None
    multiturn: Annotated[
        bool | None, _doc("false sends the system message and the last user message only")
    ] = None
    budget: Annotated[
        BudgetOf | None,
        _doc("what one run may spend; on a layer, there: dollars, or a table of `tokens` and `dollars`"),
    ] = None


class BudgetConfig(msgspec.Struct, kw_only=True, frozen=True):
    """What one run may spend; what is not given is not limited."""

    tokens: Annotated[Count | None, _doc("prompts and answers together")] = None
    dollars: Annotated[Positive | None, _doc("needs a known price for every model")] = None


class AgentConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A model with its own settings, wherever a model may be named."""

    model: Annotated[str, _doc("`provider/model`")]
    system: Annotated[str | None, _doc("its system prompt")] = None
    temperature: Annotated[NotNegative | None, _doc("sampling temperature")] = None
    top_p: Annotated[NotNegative | None, _doc("nucleus sampling")] = None
    max_tokens: Annotated[Count | None, _doc("the longest response, in tokens")] = None
    seed: Annotated[int | None, _doc("sampling seed; sample i uses seed + i")] = None
    reasoning_effort: Annotated[str | None, _doc("passed to reasoning models")] = None
    samples: Annotated[Count, _doc("draws made side by side")] = 1
    timeout: Annotated[Seconds | None, _doc("seconds for one call")] = None
    fallback: Annotated[Any, _doc("agents that stand in when the model fails")] = None
    extra: Annotated[dict[str, Any] | None, _doc("sent to the provider as it is")] = None


class ProposeConfig(Waiting, kw_only=True, frozen=True):
    """A layer of proposers."""

    propose: Annotated[list[Any], _doc("agents or ensembles, asked at once")]
    bench: Annotated[list[Any], _doc("who takes the place of one that failed, in this order")] = []
    samples: Annotated[Count, _doc("draws made from each")] = 1
    max_tokens: Annotated[Count | None, _doc("the longest proposal, in tokens")] = None


class AggregateConfig(Waiting, kw_only=True, frozen=True):
    """A layer that makes one response of the references."""

    aggregate: Annotated[Any, _doc("the agent or ensemble that writes")]
    max_tokens: Annotated[Count | None, _doc("the longest response, in tokens")] = None
    fallback: Annotated[Any, _doc("agents that stand in when it fails")] = None


class ResidualConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that adds to the references."""

    residual: Annotated[Any, _doc("the layer inside")]


class CritiqueConfig(Waiting, kw_only=True, frozen=True):
    """A layer that has every reference criticised."""

    critique: Annotated[Any, _doc("the agent or ensemble that criticises")]
    max_tokens: Annotated[Count | None, _doc("the longest critique, in tokens")] = None


class ReviseConfig(Waiting, kw_only=True, frozen=True):
    """A layer in which every reference is revised in the light of the others."""

    revise: Annotated[
        Any, _doc("one agent for all, or a list of one for each; an empty list: those that wrote them")
    ]
    max_tokens: Annotated[Count | None, _doc("the longest revision, in tokens")] = None


class PeerReviewConfig(Waiting, kw_only=True, frozen=True):
    """A layer in which reviewers rank the references without knowing who wrote them."""

    peer_review: Annotated[Any, _doc("the agents that rank")]
    keep: Annotated[Count, _doc("how many references stay, the best ones")] = 1
    instructions: Annotated[str | None, _doc("what reviewers judge by, in place of moakit's text")] = None
    max_tokens: Annotated[Count | None, _doc("the longest reply of a reviewer, in tokens")] = None


class WindowConfig(Waiting, kw_only=True, frozen=True):
    """A layer that aggregates the references a few at a time, carrying the best one along."""

    window: Annotated[Any, _doc("the agent or ensemble that writes, or an aggregator's table")]
    size: Annotated[int, Meta(ge=2, description="how many each call reads, the carried one among them")] = 6
    max_tokens: Annotated[Count | None, _doc("the longest response, in tokens")] = None


class TreeConfig(Waiting, kw_only=True, frozen=True):
    """A layer that aggregates the references in groups, and the groups' responses again."""

    tree: Annotated[Any, _doc("the agent or ensemble that writes, or an aggregator's table")]
    fan: Annotated[int, Meta(ge=2, description="how many each call reads at most")] = 2
    max_tokens: Annotated[Count | None, _doc("the longest response, in tokens")] = None


class AnalyseConfig(Waiting, kw_only=True, frozen=True):
    """A layer that puts a judge's notes before the references."""

    analyse: Annotated[Any, _doc("the judge, an agent")]
    instructions: Annotated[str | None, _doc("what the judge notes, in place of moakit's text")] = None
    max_tokens: Annotated[Count | None, _doc("the longest notes, in tokens")] = None


class CouncilConfig(Waiting, kw_only=True, frozen=True):
    """The short form of a council: members, who rank each other's responses, and a chair."""

    members: Annotated[list[Any], _doc("agents or ensembles, asked at once")]
    chair: Annotated[Any, _doc("the agent or ensemble that writes the answer")]
    name: Annotated[str, _doc("the name the server lists; the table's own name by default")] = ""
    description: Annotated[str, _doc("what the server's model list says of it")] = ""
    reviewers: Annotated[list[Any], _doc("the agents that rank; by default the members")] = []
    keep: Annotated[Count | None, _doc("how many responses the chair reads; by default all")] = None
    samples: Annotated[Count, _doc("draws made from each member")] = 1
    bench: Annotated[list[Any], _doc("who takes the place of a member that failed, in this order")] = []
    max_tokens: Annotated[Count | None, _doc("the longest response of a member, in tokens")] = None
    fallback: Annotated[Any, _doc("agents that stand in when the chair fails")] = None


class MoAConfig(Waiting, kw_only=True, frozen=True):
    """The short form of an ensemble: proposers, then an aggregator."""

    proposers: Annotated[list[Any], _doc("agents or ensembles, asked at once")]
    aggregator: Annotated[Any, _doc("the agent or ensemble that writes the answer")]
    name: Annotated[str, _doc("the name the server lists; the table's own name by default")] = ""
    description: Annotated[str, _doc("what the server's model list says of it")] = ""
    layers: Annotated[
        int, Meta(ge=2, description="depth with the aggregator: 2 is proposers, then aggregator")
    ] = 2
    samples: Annotated[Count, _doc("draws made from each proposer")] = 1
    bench: Annotated[list[Any], _doc("who takes the place of a proposer that failed, in this order")] = []
    max_tokens: Annotated[Count | None, _doc("the longest proposal, in tokens")] = None
    fallback: Annotated[Any, _doc("agents that stand in when the aggregator fails")] = None


class SequentialConfig(Waiting, kw_only=True, frozen=True):
    """The long form of an ensemble: any layers, in order."""

    layers: Annotated[list[Any], _doc("the layers, one table each")]
    max_tokens: Annotated[Count | None, _doc("the longest response of any agent inside, in tokens")] = None
    name: Annotated[str, _doc("the name the server lists; the table's own name by default")] = ""
    description: Annotated[str, _doc("what the server's model list says of it")] = ""


class PriceConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Dollars per million tokens."""

    input: Annotated[float, Meta(ge=0, description="of the prompt")]
    output: Annotated[float, Meta(ge=0, description="of the response")]
    cached: Annotated[NotNegative | None, _doc("of cached prompt tokens, if it differs")] = None


class ProviderConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A provider: any OpenAI-compatible endpoint, or more settings for a built-in one."""

    base_url: Annotated[
        str | None, _doc("its address, up to and with `/v1`; built-in providers have one")
    ] = None
    api_key: Annotated[
        str | None, _doc("its key, as `${VARIABLE}`; by default `NAME_API_KEY` from the environment")
    ] = None
    like: Annotated[str | None, _doc("a built-in provider whose quirks and prices it shares")] = None
    headers: Annotated[dict[str, str], _doc("sent with every call")] = {}
    price: Annotated[
        PriceOf | None,
        _doc("dollars per million tokens: a number, `{input, output, cached}`, or a table of those by model"),
    ] = None
    context_length: Annotated[
        Count | dict[str, Count] | None,
        _doc("tokens a model takes, prompt and answer: a number, or a table of those by model"),
    ] = None
    timeout: Annotated[Seconds | None, _doc("seconds for one call")] = None
    connect: Annotated[Seconds, _doc("seconds to connect")] = 5.0
    requests_per_minute: Annotated[Seconds | None, _doc("of all runs together")] = None
    tokens_per_minute: Annotated[Seconds | None, _doc("of all runs together")] = None
    concurrency: Annotated[
        Count | None, _doc("the most calls at once, of all runs together; fewer for a while after a 429")
    ] = None
    breaker: Annotated[
        WholeNotNegative,
        _doc("failed calls in a row after which a model is left alone for a moment; 0: never"),
    ] = 5


class KeyBudgetConfig(BudgetConfig, kw_only=True, frozen=True):
    """What all requests with a key may spend together."""

    per: Annotated[
        Literal["hour", "day", "month", "total"],
        _doc("it starts afresh with each of these in UTC; `total` with the server alone"),
    ] = "total"


class KeyConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A key of the server's clients, with what holds for it; its text alone is the short form."""

    key: Annotated[str, _doc("the key, as `${VARIABLE}`")]
    name: Annotated[str, _doc("what it is called in messages; by default its place in the list")] = ""
    concurrency: Annotated[Count | None, _doc("requests at once with this key; one more is a 429")] = None
    budget: Annotated[BudgetOf | None, _doc("what its requests may spend: dollars, or a table")] = None

    def __repr__(self) -> str:
        return f"KeyConfig({self.name!r})"


class ServerConfig(msgspec.Struct, kw_only=True, frozen=True):
    """What `moa serve` does."""

    host: Annotated[str, _doc("the address to bind; another than loopback needs `keys`")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="the port")] = 6620
    keys: Annotated[
        list[Any], _doc("keys clients must send, as `${VARIABLE}` or tables; none: no key is asked for")
    ] = []
    concurrency: Annotated[Count | None, _doc("runs at once; by default there is no limit")] = None
    queue: Annotated[
        WholeNotNegative | None, _doc("runs that may wait for their turn when `concurrency` is reached")
    ] = None
    passthrough: Annotated[bool, _doc("any `provider/model` of a configured provider is a model too")] = False
    max_body: Annotated[int, Meta(ge=1024, description="the largest request, in bytes")] = 32 * 1024 * 1024
    max_prompt_tokens: Annotated[
        Count, _doc("the longest prompt of a request, tools included, in tokens (estimated at 4 bytes each)")
    ] = 1_000_000
    max_calls: Annotated[Count, _doc("the most calls of a run whose request changes the ensemble")] = 128
    max_deadline: Annotated[Seconds, _doc("the longest deadline a request may ask for, in seconds")] = 3600.0
    usage: Annotated[
        Literal["total", "final"], _doc("usage tells the whole run, or the last call's alone")
    ] = "total"
    overrides: Annotated[
        bool | UnsetType,
        _doc("requests may change layers, models and settings; true on loopback, else false"),
    ] = UNSET
    openwebui: Annotated[
        Literal["auto", "always", "never"],
        _doc(
            "Open WebUI's extras under `/v1`: for its requests, for all, for none; "
            "`/openwebui/v1` always has them"
        ),
    ] = "auto"
    show_proposers: Annotated[
        Literal["reasoning", "details", "sources", "none"],
        _doc("how Open WebUI shows the proposers' answers"),
    ] = "reasoning"
    task_model: Annotated[
        str | None,
        _doc("`provider/model` for titles, tags and other background tasks; by default the cheapest member"),
    ] = None
    drain: Annotated[Seconds, _doc("seconds running answers get to finish when the server stops")] = 30.0


class FileConfig(msgspec.Struct, kw_only=True, frozen=True):
    """The whole file."""

    default: Annotated[str | None, _doc("the ensemble used when none is named; by default the first")] = None
    providers: Annotated[dict[str, Any], _doc("endpoints by name")] = {}
    ensembles: Annotated[dict[str, Any], _doc("ensembles by name")] = {}
    server: Annotated[dict[str, Any], _doc("what `moa serve` does")] = {}


SECTIONS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("", FileConfig),
    ("[providers.NAME]", ProviderConfig),
    ("price = { … }", PriceConfig),
    ("[ensembles.NAME], short form", MoAConfig),
    ("[ensembles.NAME], a council", CouncilConfig),
    ("[ensembles.NAME], long form", SequentialConfig),
    ("budget = { … }", BudgetConfig),
    ("a layer of proposers", ProposeConfig),
    ("an aggregator", AggregateConfig),
    ("a residual layer", ResidualConfig),
    ("critiques", CritiqueConfig),
    ("revisions", ReviseConfig),
    ("a peer review", PeerReviewConfig),
    ("a window", WindowConfig),
    ("a tree", TreeConfig),
    ("an analysis", AnalyseConfig),
    *selecting.TABLES,
    *routing.TABLES,
    ("an agent", AgentConfig),
    ("[server]", ServerConfig),
    ("a key of the server", KeyConfig),
    ("a key's budget", KeyBudgetConfig),
)
"""Every table of the file, in the order it is documented."""
