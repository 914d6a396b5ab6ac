"""The table of providers: name, address, key variable, quirks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from moakit.errors import ConfigError, UnknownModel
from moakit.models.secrets import without_password


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars per million tokens; `cached` is the price of cached prompt tokens, if it differs."""

    input: float
    output: float
    cached: float | None = None


Prefill: TypeAlias = Literal["plain", "prefix", "continue", "none"]


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider departs from OpenAI's format.

    `prefill` is how an assistant's unfinished message at the end is taken as the beginning of the answer:
    "plain", as it is; "prefix", when the message says `prefix`; "continue", when the request says
    `continue_final_message`; "none", never. `rename` maps parameters to the provider's names; `drop` lists
    those it rejects; `suggested` are models to begin with, small ones first, the aggregator last; `prices` is
    the provider's id in genai-prices.
    """

    rename: Mapping[str, str] = {}
    prefill: Prefill = "plain"
    drop: frozenset[str] = frozenset()
    usage_in_stream: bool = True
    suggested: tuple[str, ...] = ()
    prices: str | None = None


PLAIN = Quirks()


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider's models are reached.

    `api_key` is used as it is; otherwise the environment variable `key_variable` is read at the first call.
    `timeout` is in seconds; `requests_per_minute`, `tokens_per_minute` and `concurrency` limit all runs
    together; `breaker` is how many calls of a model may fail in a row before it is left alone for a moment, 0
    for any number; `price` is for every model, or by model name, and so is `context_length`, in tokens;
    `local` marks a server on the user's own machine, which costs 0.
    """

    name: str
    base_url: str
    api_key: str | None = None
    key_variable: str | None = None
    headers: Mapping[str, str] = {}
    price: Price | Mapping[str, Price] | None = None
    context_length: int | Mapping[str, int] | None = None
    timeout: float | None = None
    connect: float = 5.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None
    breaker: int = 5
    local: bool = False
    quirks: Quirks = PLAIN

    def key(self, environ: Mapping[str, str] | None = None) -> str | None:
        """Return the key: the given one, else the environment's, else None; an empty one is none."""
        key = self.api_key
        if key is None and self.key_variable is not None:
            key = (os.environ if environ is None else environ).get(self.key_variable)
        return (key or "").strip() or None

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What pools and limits are kept by: name, address, key."""
        return (self.name, self.base_url, self.api_key)

    def __repr__(self) -> str:
        key = ", api_key='***'" if self.api_key else ""
        return f"{type(self).__name__}({self.name!r}, base_url={without_password(self.base_url)!r}{key})"

    def __rich_repr__(self) -> Any:
        yield self.name
        yield "base_url", without_password(self.base_url)


_OPENAI_STYLE = {"max_tokens": "max_completion_tokens"}


def _hosted(name: str, base_url: str, key_variable: str, **quirks: Any) -> Endpoint:
    return Endpoint(name=name, base_url=base_url, key_variable=key_variable, quirks=Quirks(**quirks))


def _local(name: str, base_url: str, key_variable: str | None = None, **quirks: Any) -> Endpoint:
    return Endpoint(
        name=name, base_url=base_url, key_variable=key_variable, local=True, quirks=Quirks(**quirks)
    )


PROVIDERS: Mapping[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        _hosted(
            "groq",
            "https://api.groq.com/openai/v1",
            "GROQ_API_KEY",
            prices="groq",
            suggested=("llama-3.1-8b-instant", "openai/gpt-oss-20b", "llama-3.3-70b-versatile"),
        ),
        _hosted(
            "together",
            "https://api.together.ai/v1",
            "TOGETHER_API_KEY",
            prices="together",
            suggested=(
                "Qwen/Qwen2.5-7B-Instruct-Turbo",
                "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
                "Qwen/Qwen2.5-72B-Instruct-Turbo",
            ),
        ),
        _hosted(
            "openai",
            "https://api.openai.com/v1",
            "OPENAI_API_KEY",
            prefill="none",
            prices="openai",
            rename=_OPENAI_STYLE,
            suggested=("gpt-4.1-mini", "gpt-4o-mini", "gpt-4.1"),
        ),
        _hosted(
            "openrouter",
            "https://openrouter.ai/api/v1",
            "OPENROUTER_API_KEY",
            prices="openrouter",
            suggested=(
                "meta-llama/llama-3.1-8b-instruct",
                "mistralai/mistral-nemo",
                "meta-llama/llama-3.3-70b-instruct",
            ),
        ),
        _hosted(
            "anthropic",
            "https://api.anthropic.com/v1",
            "ANTHROPIC_API_KEY",
            prices="anthropic",
            drop=frozenset({"seed", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs"}),
            suggested=("claude-haiku-4-5", "claude-sonnet-4-5"),
        ),
        _hosted(
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "GEMINI_API_KEY",
            prefill="none",
            prices="google",
            suggested=("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro"),
        ),
        _hosted(
            "mistral",
            "https://api.mistral.ai/v1",
            "MISTRAL_API_KEY",
            prefill="prefix",
            prices="mistral",
            rename={"seed": "random_seed"},
            usage_in_stream=False,
            drop=frozenset({"logprobs", "top_logprobs"}),
            suggested=("ministral-8b-latest", "mistral-small-latest", "mistral-large-latest"),
        ),
        _hosted(
            "deepseek",
            "https://api.deepseek.com",
            "DEEPSEEK_API_KEY",
            prefill="none",
            prices="deepseek",
            suggested=("deepseek-chat",),
        ),
        _hosted(
            "fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", prices="fireworks"
        ),
        _hosted("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", prices="cerebras"),
        _hosted("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
        _hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY", prices="x-ai"),
        _hosted("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", prices="moonshotai"),
        _hosted("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", prices="zai"),
        _hosted("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
        _hosted("nebius", "https://api.studio.nebius.com/v1", "NEBIUS_API_KEY", prices="huggingface_nebius"),
        _hosted("github", "https://models.github.ai/inference", "GITHUB_TOKEN"),
        _hosted("vercel", "https://ai-gateway.vercel.sh/v1", "AI_GATEWAY_API_KEY"),
        _local("ollama", "http://localhost:11434/v1", "OLLAMA_API_KEY"),
        _local("vllm", "http://localhost:8000/v1", prefill="continue"),
        _local("lmstudio", "http://localhost:1234/v1"),
        _local("llamacpp", "http://127.0.0.1:8080/v1"),
        Endpoint(name="litellm", base_url="http://localhost:4000/v1", key_variable="LITELLM_API_KEY"),
    )
}
"""Every built-in provider by name."""

DEMO = "demo"
"""The provider name of the built-in demo models."""


def variable(provider: str, suffix: str) -> str:
    """Return the environment variable for a provider, such as `LAB_BASE_URL`."""
    return re.sub(r"[^A-Z0-9]", "_", provider.upper()) + suffix


def find_endpoint(name: str, environ: Mapping[str, str] | None = None, known: Iterable[str] = ()) -> Endpoint:
    """Return the built-in provider, or the one whose `NAME_BASE_URL` is in the environment.

    Raises `UnknownModel` when there is neither, with the nearest name of these and of the `known` ones.
    """
    environ = os.environ if environ is None else environ
    built_in = PROVIDERS.get(name)
    base_url = environ.get(variable(name, "_BASE_URL"))
    if name == "ollama" and not base_url and environ.get("OLLAMA_HOST"):
        base_url = ollama_url(environ["OLLAMA_HOST"])
    if built_in is None and not base_url:
        raise UnknownModel(
            "provider",
            name,
            [*known, *PROVIDERS, DEMO],
            hint=f"set {variable(name, '_BASE_URL')}, or describe it in moa.toml under [providers.{name}]",
        )
    key_variable = variable(name, "_API_KEY")
    if built_in is not None and built_in.key_variable:
        key_variable = built_in.key_variable
    api_key = environ.get(key_variable) or None
    if built_in is None:
        return Endpoint(name=name, base_url=checked_url(name, str(base_url)), api_key=api_key)
    if not base_url:
        return msgspec.structs.replace(built_in, api_key=api_key)
    url = checked_url(name, base_url)
    local = built_in.local and "://ollama.com" not in url
    return msgspec.structs.replace(built_in, base_url=url, api_key=api_key, local=local)


def checked_url(provider: str, url: str) -> str:
    """Return a base URL without its trailing slash; raises `ConfigError` when it is not http(s)."""
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and parts.port != 0
        host = parts.hostname or ""
        # As it will be looked up; what is no host is refused here, not by the first call.
        good = good and re.fullmatch(r"[\w.%:-]+", host) is not None and bool(host.encode("idna"))
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f\x7f\\]", url.strip()):
        # What is no address may have its password anywhere before the last @.
        shown = re.sub(r"^(\w+://)?.*@", r"\1***@", url.strip(), flags=re.DOTALL)
        raise ConfigError(
            f"provider {provider!r}: base_url {shown!r} is not an http(s) address",
            hint="it looks like http://127.0.0.1:8080/v1",
        )
    if parts.query or parts.fragment:
        shown = without_password(url.strip()).partition("#")[0].partition("?")[0]
        raise ConfigError(
            f"provider {provider!r}: base_url {shown!r} is followed by ? or #, and so leads nowhere",
            hint="an address ends in its path; a key goes into api_key, or into headers",
        )
    return url.strip().rstrip("/")


def ollama_url(host: str) -> str:
    """Return the base URL for `OLLAMA_HOST`, which may lack scheme, host and port and may say 0.0.0.0."""
    scheme, _, rest = host.strip().strip("\"'").rpartition("://")
    place, _, path = rest.partition("/")
    if place.count(":") > 1 and not place.startswith("["):
        place = f"[{place}]"
    name, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = place.rstrip(":"), ""
    if name in ("", "0.0.0.0", "[::]"):  # noqa: S104 - where a server listens is not where it is reached
        name = "127.0.0.1"
    if not port and not scheme:
        port = "11434"
    path = path.strip("/").removesuffix("v1").strip("/")
    return f"{scheme or 'http'}://{name}{port and ':'}{port}{path and '/'}{path}/v1"


def split_name(model: str) -> tuple[str, str]:
    """Split `provider/model` at the first slash; raises `UnknownModel` when there is none."""
    provider, slash, rest = model.partition("/")
    if not slash or not provider or not rest:
        raise UnknownModel(
            "model", model, hint="a model is written provider/model, such as groq/llama-3.1-8b-instant"
        )
    return provider, rest
