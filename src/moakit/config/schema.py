"""Every key of `moa.toml`, with its type and its meaning: what is checked, and what is documented."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from moakit.config import refining, routing, selecting
from moakit.config.waiting import (
    BudgetOf,
    Count,
    NotNegative,
    Seconds,
    Waiting,
    WholeNotNegative,
    doc,
)

Positive = Seconds
PriceOf = float | dict[str, Any]


class BudgetConfig(msgspec.Struct, kw_only=True, frozen=True):
    """What one run may spend; what is not given is not limited."""

    tokens: Annotated[Count | None, doc("prompts and answers together")] = None
    dollars: Annotated[Positive | None, doc("needs a known price for every model")] = None


class AgentConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A model with its own settings, wherever a model may be named."""

    model: Annotated[str, doc("`provider/model`")]
    system: Annotated[str | None, doc("its system prompt")] = None
    temperature: Annotated[NotNegative | None, doc("sampling temperature")] = None
    top_p: Annotated[NotNegative | None, doc("nucleus sampling")] = None
    max_tokens: Annotated[Count | None, doc("the longest response, in tokens")] = None
    seed: Annotated[int | None, doc("sampling seed; sample i uses seed + i")] = None
    reasoning_effort: Annotated[str | None, doc("passed to reasoning models")] = None
    samples: Annotated[Count, doc("draws made side by side")] = 1
    timeout: Annotated[Seconds | None, doc("seconds for one call")] = None
    fallback: Annotated[Any, doc("agents that stand in when the model fails")] = None
    extra: Annotated[dict[str, Any] | None, doc("sent to the provider as it is")] = None


class ProposeConfig(Waiting, kw_only=True, frozen=True):
    """A layer of proposers."""

    propose: Annotated[list[Any], doc("agents or ensembles, asked at once")]
    bench: Annotated[list[Any], doc("who takes the place of one that failed, in this order")] = []
    samples: Annotated[Count, doc("draws made from each")] = 1
    max_tokens: Annotated[Count | None, doc("the longest proposal, in tokens")] = None


class AggregateConfig(Waiting, kw_only=True, frozen=True):
    """A layer that makes one response of the references."""

    aggregate: Annotated[Any, doc("the agent or ensemble that writes")]
    max_tokens: Annotated[Count | None, doc("the longest response, in tokens")] = None
    fallback: Annotated[Any, doc("agents that stand in when it fails")] = None


class ResidualConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A layer that adds to the references."""

    residual: Annotated[Any, doc("the layer inside")]


class CouncilConfig(Waiting, kw_only=True, frozen=True):
    """The short form of a council: members, who rank each other's responses, and a chair."""

    members: Annotated[list[Any], doc("agents or ensembles, asked at once")]
    chair: Annotated[Any, doc("the agent or ensemble that writes the answer")]
    name: Annotated[str, doc("the name the server lists; the table's own name by default")] = ""
    description: Annotated[str, doc("what the server's model list says of it")] = ""
    reviewers: Annotated[list[Any], doc("the agents that rank; by default the members")] = []
    keep: Annotated[Count | None, doc("how many responses the chair reads; by default all")] = None
    samples: Annotated[Count, doc("draws made from each member")] = 1
    bench: Annotated[list[Any], doc("who takes the place of a member that failed, in this order")] = []
    max_tokens: Annotated[Count | None, doc("the longest response of a member, in tokens")] = None
    fallback: Annotated[Any, doc("agents that stand in when the chair fails")] = None


class MoAConfig(Waiting, kw_only=True, frozen=True):
    """The short form of an ensemble: proposers, then an aggregator."""

    proposers: Annotated[list[Any], doc("agents or ensembles, asked at once")]
    aggregator: Annotated[Any, doc("the agent or ensemble that writes the answer")]
    name: Annotated[str, doc("the name the server lists; the table's own name by default")] = ""
    description: Annotated[str, doc("what the server's model list says of it")] = ""
    layers: Annotated[
        int, Meta(ge=2, description="depth with the aggregator: 2 is proposers, then aggregator")
    ] = 2
    samples: Annotated[Count, doc("draws made from each proposer")] = 1
    bench: Annotated[list[Any], doc("who takes the place of a proposer that failed, in this order")] = []
    max_tokens: Annotated[Count | None, doc("the longest proposal, in tokens")] = None
    fallback: Annotated[Any, doc("agents that stand in when the aggregator fails")] = None


class SequentialConfig(Waiting, kw_only=True, frozen=True):
    """The long form of an ensemble: any layers, in order."""

    layers: Annotated[list[Any], doc("the layers, one table each")]
    max_tokens: Annotated[Count | None, doc("the longest response of any agent inside, in tokens")] = None
    name: Annotated[str, doc("the name the server lists; the table's own name by default")] = ""
    description: Annotated[str, doc("what the server's model list says of it")] = ""


class PriceConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Dollars per million tokens."""

    input: Annotated[float, Meta(ge=0, description="of the prompt")]
    output: Annotated[float, Meta(ge=0, description="of the response")]
    cached: Annotated[NotNegative | None, doc("of cached prompt tokens, if it differs")] = None


class ProviderConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A provider: any OpenAI-compatible endpoint, or more settings for a built-in one."""

    base_url: Annotated[str | None, doc("its address, up to and with `/v1`; built-in providers have one")] = (
        None
    )
    api_key: Annotated[
        str | None, doc("its key, as `${VARIABLE}`; by default `NAME_API_KEY` from the environment")
    ] = None
    like: Annotated[str | None, doc("a built-in provider whose quirks and prices it shares")] = None
    headers: Annotated[dict[str, str], doc("sent with every call")] = {}
    price: Annotated[
        PriceOf | None,
        doc("dollars per million tokens: a number, `{input, output, cached}`, or a table of those by model"),
    ] = None
    context_length: Annotated[
        Count | dict[str, Count] | None,
        doc("tokens a model takes, prompt and answer: a number, or a table of those by model"),
    ] = None
    timeout: Annotated[Seconds | None, doc("seconds for one call")] = None
    connect: Annotated[Seconds, doc("seconds to connect")] = 5.0
    requests_per_minute: Annotated[Seconds | None, doc("of all runs together")] = None
    tokens_per_minute: Annotated[Seconds | None, doc("of all runs together")] = None
    concurrency: Annotated[
        Count | None, doc("the most calls at once, of all runs together; fewer for a while after a 429")
    ] = None
    breaker: Annotated[
        WholeNotNegative,
        doc("failed calls in a row after which a model is left alone for a moment; 0: never"),
    ] = 5


class KeyBudgetConfig(BudgetConfig, kw_only=True, frozen=True):
    """What all requests with a key may spend together."""

    per: Annotated[
        Literal["hour", "day", "month", "total"],
        doc("it starts afresh with each of these in UTC; `total` with the server alone"),
    ] = "total"


class KeyConfig(msgspec.Struct, kw_only=True, frozen=True):
    """A key of the server's clients, with what holds for it; its text alone is the short form."""

    key: Annotated[str, doc("the key, as `${VARIABLE}`")]
    name: Annotated[str, doc("what it is called in messages; by default its place in the list")] = ""
    concurrency: Annotated[Count | None, doc("requests at once with this key; one more is a 429")] = None
    budget: Annotated[BudgetOf | None, doc("what its requests may spend: dollars, or a table")] = None

    def __repr__(self) -> str:
        return f"KeyConfig({self.name!r})"


class ServerConfig(msgspec.Struct, kw_only=True, frozen=True):
    """What `moa serve` does."""

    host: Annotated[str, doc("the address to bind; another than loopback needs `keys`")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="the port")] = 6620
    keys: Annotated[
        list[Any], doc("keys clients must send, as `${VARIABLE}` or tables; none: no key is asked for")
    ] = []
    concurrency: Annotated[Count | None, doc("runs at once; by default there is no limit")] = None
    queue: Annotated[
        WholeNotNegative | None, doc("runs that may wait for their turn when `concurrency` is reached")
    ] = None
    passthrough: Annotated[bool, doc("any `provider/model` of a configured provider is a model too")] = False
    max_body: Annotated[int, Meta(ge=1024, description="the largest request, in bytes")] = 32 * 1024 * 1024
    max_prompt_tokens: Annotated[
        Count, doc("the longest prompt of a request, tools included, in tokens (estimated at 4 bytes each)")
    ] = 1_000_000
    max_calls: Annotated[Count, doc("the most calls of a run whose request changes the ensemble")] = 128
    max_deadline: Annotated[Seconds, doc("the longest deadline a request may ask for, in seconds")] = 3600.0
    usage: Annotated[
        Literal["total", "final"], doc("usage tells the whole run, or the last call's alone")
    ] = "total"
    overrides: Annotated[
        bool | UnsetType,
        doc("requests may change layers, models and settings; true on loopback, else false"),
    ] = UNSET
    openwebui: Annotated[
        Literal["auto", "always", "never"],
        doc(
            "Open WebUI's extras under `/v1`: for its requests, for all, for none; "
            "`/openwebui/v1` always has them"
        ),
    ] = "auto"
    show_proposers: Annotated[
        Literal["reasoning", "details", "sources", "none"],
        doc("how Open WebUI shows the proposers' answers"),
    ] = "reasoning"
    task_model: Annotated[
        str | None,
        doc("`provider/model` for titles, tags and other background tasks; by default the cheapest member"),
    ] = None
    drain: Annotated[Seconds, doc("seconds running answers get to finish when the server stops")] = 30.0


class FileConfig(msgspec.Struct, kw_only=True, frozen=True):
    """The whole file."""

    default: Annotated[str | None, doc("the ensemble used when none is named; by default the first")] = None
    providers: Annotated[dict[str, Any], doc("endpoints by name")] = {}
    ensembles: Annotated[dict[str, Any], doc("ensembles by name")] = {}
    server: Annotated[dict[str, Any], doc("what `moa serve` does")] = {}


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
    *refining.TABLES,
    *selecting.TABLES,
    *routing.TABLES,
    ("an agent", AgentConfig),
    ("[server]", ServerConfig),
    ("a key of the server", KeyConfig),
    ("a key's budget", KeyBudgetConfig),
)
"""Every table of the file, in the order it is documented."""
