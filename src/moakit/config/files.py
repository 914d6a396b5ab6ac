"""Finding and reading the configuration."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from moakit.config import dotenv
from moakit.config.build import Context, agents, build
from moakit.config.checks import check_nesting, checked, interpolated
from moakit.config.discovery import discovered
from moakit.config.endpoints import endpoint_from
from moakit.config.key_budgets import check_key_budgets
from moakit.config.keys import keys_from
from moakit.config.schema import FileConfig, ServerConfig
from moakit.errors import ConfigError, ShapeError, UnknownModel, UserError
from moakit.layers import Layer
from moakit.models.base import Model
from moakit.models.providers import DEMO, PROVIDERS, Endpoint, split_name, variable
from moakit.models.resolve import find_model

FILE = "moa.toml"
NAMED = frozenset({"proposers", "members", "layers"})
"""The keys of the tables that may have a name: the short forms, the long form."""
_log = logging.getLogger("moakit")


class Config(Mapping[str, Layer]):
    """Named ensembles with their providers: `load("moa.toml")["panel"]`.

    `default` names the ensemble used when none is named; `source` says where the configuration comes from,
    `notes` what was found or is to be known about it; `server` holds the settings of `moa serve`,
    `server_keys` the keys of its clients.
    """

    def __init__(
        self, data: Mapping[str, Any], *, source: str, environ: Mapping[str, str], notes: Iterable[str] = (),
        endpoints: Mapping[str, Endpoint] | None = None, layers: Iterable[type[Layer]] = (),
    ) -> None:  # fmt: skip
        check_nesting(data)
        given = checked(data, FileConfig, "")
        self.data = data
        self.source = source
        self.environ = environ
        self.notes = list(notes)
        for name, table in given.providers.items():
            key = table.get("api_key") if isinstance(table, Mapping) else None
            if isinstance(key, str) and key and not key.startswith("${"):
                self.notes.append(
                    f"providers.{name}.api_key is written in the file; ${{VARIABLE}} keeps it out"
                )
        self.endpoints: dict[str, Endpoint] = dict(endpoints or {})
        for name, table in given.providers.items():
            filled = interpolated(table, environ, f"providers.{name}")
            self.endpoints[name] = endpoint_from(name, filled, environ)
        self.server = checked(interpolated(given.server, environ, "server"), ServerConfig, "server")
        self.server_keys = keys_from(self.server.keys, "server.keys")
        if self.server.queue is not None and self.server.concurrency is None:
            raise ConfigError(
                "server.queue is set without server.concurrency, so nothing would ever wait",
                hint="set server.concurrency, the runs at once",
            )
        self.context = Context(self.endpoints, environ, {layer.__name__: layer for layer in layers})
        self._ensembles: dict[str, Layer] = {}
        for name, table in given.ensembles.items():
            path = f"ensembles.{name}"
            filled = interpolated(table, environ, path)
            if isinstance(filled, dict) and "layer" not in filled and not NAMED.isdisjoint(filled):
                filled = {"name": name, **filled}
            self._ensembles[name] = _ending_in_one(build(filled, path, self.context), path)
        if given.default is not None and given.default not in self._ensembles:
            raise UnknownModel(
                "ensemble", given.default, self._ensembles, hint="`default` names one of [ensembles]"
            )
        check_key_budgets(self.server_keys, self._ensembles.values())
        self._used = {
            agent.model.partition("/")[0] for layer in self._ensembles.values() for agent in agents(layer)
        }
        self.default = given.default or next(iter(self._ensembles), "")

    def __getitem__(self, name: str) -> Layer:
        """Return an ensemble; raises `UnknownModel` with the nearest name."""
        try:
            return self._ensembles[name]
        except KeyError:
            if not self._ensembles:
                hint = "describe one under [ensembles.NAME]"
                raise ConfigError("the configuration has no ensembles", hint=hint) from None
            known = ", ".join(self._ensembles)
            raise UnknownModel("ensemble", name, self._ensembles, hint=f"there are: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._ensembles)

    def __len__(self) -> int:
        return len(self._ensembles)

    def __contains__(self, name: object) -> bool:
        return name in self._ensembles

    def __repr__(self) -> str:
        return f"Config({', '.join(self._ensembles)}; from {self.source})"

    def model(self, name: str) -> Model:
        """Return a model by its full name, on this configuration's providers."""
        return find_model(name, self.endpoints, self.environ)

    def agent(self, config: Any, path: str = "") -> Layer:
        """Return the layer of a piece of configuration, with this configuration's providers."""
        return build(config, path, self.context)

    def configured(self, name: str) -> bool:
        """Say whether a provider is set up here: by a table, in an ensemble, or by a variable."""
        provider, _ = split_name(name)
        if provider == DEMO or provider in self.endpoints or provider in self._used:
            return True
        if self.environ.get(variable(provider, "_BASE_URL")):
            return True
        built_in = PROVIDERS.get(provider)
        return built_in is not None and bool(
            built_in.key_variable and self.environ.get(built_in.key_variable)
        )


def load(path: str | Path | None = None, *, layers: Iterable[type[Layer]] = ()) -> Config:
    """Return the configuration in a file, or the one that is found.

    Looked for in this order: `MOA_CONFIG`, `./moa.toml`, the user's configuration directory; else what can be
    discovered. `.env` in the working directory and beside the file adds to the environment, which wins.
    `layers` are classes of your own that the file names. Raises `ConfigError`.
    """
    file = Path(path) if path is not None else find()
    folders = [Path.cwd()] if file is None else [Path.cwd(), file.resolve().parent]
    environ = environment(folders)
    if file is None:
        data, notes, endpoints = discovered(environ)
        return Config(
            data, source="discovery", environ=environ, notes=notes, endpoints=endpoints, layers=layers
        )
    try:
        config = Config(read(file), source=str(file), environ=environ, layers=layers)
    except UserError as error:
        error.args = (f"{file}: {error.message}", *error.args[1:])
        raise
    for note in config.notes:
        _log.warning("%s: %s", file, note)
    return config


def _ending_in_one(layer: Layer, path: str) -> Layer:
    """Return the layer if it can be run as an ensemble."""
    try:
        width = layer.shape(0)
    except ShapeError as error:
        raise ConfigError(f"{path}: {error.message}", hint=error.hint) from error
    if width is not None and width != 1:
        raise ConfigError(
            f"{path} ends in {width} responses, not in one",
            hint="end it in an aggregator or another layer that gives one response",
        )
    return layer


def find() -> Path | None:
    """Return the configuration file that applies, None when there is none."""
    named = os.environ.get("MOA_CONFIG")
    if named:
        return Path(named)
    return next((file for file in (Path(FILE), user_file()) if file.is_file()), None)


def user_file() -> Path:
    """Return where the user's own configuration is looked for."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "moakit" / FILE


def environment(folders: Iterable[Path]) -> dict[str, str]:
    """Return the process environment over the `.env` files of some folders."""
    environ: dict[str, str] = {}
    for folder in folders:
        environ = dotenv.read(folder / ".env", os.environ) | environ
    return environ | dict(os.environ)


def read(file: Path) -> dict[str, Any]:
    """Return the data of a TOML file; raises `ConfigError` when it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError("there is no such file", hint="`moa init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # beside its own error, for a number or a nesting too long
        raise ConfigError(f"not valid TOML: {error}") from error
