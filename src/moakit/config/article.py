"""The `.env` of the Open WebUI pipelines article, read as a configuration.

Prefix `GROQ_`, and by analogy `OLLAMA_`; the ensembles are `moa-groq` and `moa-ollama`. Every setting does
what its name says: each model is called at its own address with its own key, layers and rounds multiply,
the reference models rotate through the layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moakit.errors import ConfigError
from moakit.models.providers import PROVIDERS, ollama_url

PREFIXES = ("GROQ", "OLLAMA")
MOST = 1000
"""The most proposals, of all layers together, that the numbers may ask for."""


def prefixes(environ: Mapping[str, str]) -> list[str]:
    """Return the prefixes for which an aggregator is set."""
    return [prefix for prefix in PREFIXES if environ.get(f"{prefix}_MODEL_AGGREGATE")]


def to_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the equivalent of a `moa.toml` as plain data; keys stay references to their variables."""
    config: dict[str, Any] = {"providers": {}, "ensembles": {}}
    for prefix in prefixes(environ):
        name = f"moa-{prefix.lower()}"
        config.setdefault("default", name)
        config["ensembles"][name] = _Reader(prefix, environ, config["providers"]).ensemble()
    return config


class _Reader:
    """Reads the variables of one prefix."""

    def __init__(self, prefix: str, environ: Mapping[str, str], providers: dict[str, Any]) -> None:
        self.prefix = prefix
        self.environ = environ
        self.providers = providers

    def ensemble(self) -> dict[str, Any]:
        references = self._references()
        depth = self._count("LAYERS", 1) * self._count("DEFAULT_ROUNDS", 1)
        width = self._count("AGENTS_PER_LAYER", len(references))
        if depth * width > MOST:
            raise ConfigError(
                f"{self.prefix}_LAYERS x {self.prefix}_DEFAULT_ROUNDS x {self.prefix}_AGENTS_PER_LAYER "
                f"asks for more than {MOST} proposals"
            )
        # The rotation goes on from layer to layer, and starts afresh in each run.
        teams = [
            [references[(layer * width + place) % len(references)] for place in range(width)]
            for layer in range(depth)
        ]
        aggregator = self._agent("MODEL_AGGREGATE", 1)
        ensemble: dict[str, Any] = {
            "description": f"Mixture of Agents on {self.prefix.title()}, as set in .env",
        }
        if all(team == teams[0] for team in teams):
            ensemble |= {"proposers": teams[0], "aggregator": aggregator}
            if depth > 1:
                ensemble["layers"] = depth + 1
        else:
            ensemble["layers"] = [*({"propose": team} for team in teams), {"aggregate": aggregator}]
        if not self._flag("MULTITURN", default=True):
            ensemble["multiturn"] = False
        return ensemble

    def _references(self) -> list[Any]:
        pattern = re.compile(rf"{self.prefix}_MODEL_REFERENCE_([1-9]\d{{0,8}})$", re.ASCII)
        numbers = sorted(
            int(match[1]) for name in self.environ if (match := pattern.match(name)) and self.environ[name]
        )
        if not numbers:
            raise ConfigError(
                f"{self.prefix}_MODEL_AGGREGATE is set, {self.prefix}_MODEL_REFERENCE_1 is not",
                hint="name at least one reference model",
            )
        return [self._agent(f"MODEL_REFERENCE_{number}", number) for number in numbers]

    def _agent(self, name: str, number: int) -> Any:
        agent: dict[str, Any] = {"model": f"{self._provider(name, number)}/{self._get(name)}"}
        temperature = self._number("DEFAULT_TEMPERATURE")
        if temperature is not None:
            agent["temperature"] = temperature
        if self._get("DEFAULT_MAX_TOKENS"):
            agent["max_tokens"] = self._count("DEFAULT_MAX_TOKENS", 1)
        return agent if len(agent) > 1 else agent["model"]

    def _provider(self, name: str, number: int) -> str:
        """Return the name of the provider with this model's address and key, adding it when it is new."""
        base_variable = self._first(f"{name}_API_BASE", f"API_BASE_{number}", "API_BASE_1")
        key_variable = self._first(f"{name}_API_KEY", f"API_KEY_{number}", "API_KEY", "API_KEY_1")
        kind = self.prefix.lower()
        wanted: dict[str, Any] = {}
        if base_variable:
            url = self.environ[base_variable].rstrip("/")
            wanted["base_url"] = ollama_url(url) if kind == "ollama" and url.count("/") == 2 else url
        if key_variable:
            wanted["api_key"] = f"${{{key_variable}}}"
        values = self._values(wanted)
        for known, table in self.providers.items():
            if re.fullmatch(rf"{kind}\d*", known) and self._values(table) == values:
                return known
        number = sum(bool(re.fullmatch(rf"{kind}\d*", known)) for known in self.providers) + 1
        added = kind if number == 1 else f"{kind}{number}"
        if number > 1:
            wanted = {"base_url": PROVIDERS[kind].base_url, **wanted, "like": kind}
        self.providers[added] = wanted
        return added

    def _values(self, table: Mapping[str, Any]) -> tuple[str, str]:
        key = str(table.get("api_key", ""))[2:-1]
        kind = self.prefix.lower()
        return (table.get("base_url", PROVIDERS[kind].base_url), self.environ.get(key, ""))

    def _get(self, name: str) -> str:
        return self.environ.get(f"{self.prefix}_{name}", "").strip()

    def _first(self, *names: str) -> str | None:
        return next((f"{self.prefix}_{name}" for name in names if self._get(name)), None)

    def _number(self, name: str) -> float | None:
        text = self._get(name)
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            raise ConfigError(f"{self.prefix}_{name} = {text!r} is not a number") from None

    def _count(self, name: str, default: int) -> int:
        text = self._get(name)
        if not text:
            return default
        if not text.isdecimal() or int(text[:18]) < 1:
            raise ConfigError(f"{self.prefix}_{name} = {text!r} is not a whole number, 1 or more")
        if len(text) > 9:
            raise ConfigError(f"{self.prefix}_{name} = {text:.12} … is too large")
        return int(text)

    def _flag(self, name: str, *, default: bool) -> bool:
        text = self._get(name).lower()
        if not text:
            return default
        if text not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigError(f"{self.prefix}_{name} = {text!r} is not True or False")
        return text in ("true", "1", "yes")
