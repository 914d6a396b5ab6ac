"""What a user writes: `moa.toml`, `.env`, and the article's variables."""

import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yarl import URL

from moakit.config import Config, article, dotenv, from_config
from moakit.config.files import read
from moakit.config.writing import to_toml
from moakit.errors import ConfigError, UserError
from tests.fuzz.source import made

FOLDER = tempfile.TemporaryDirectory()
"""Where a file is written to be read; it goes with the process."""
ENVIRON = {"LAB_KEY": "made-up-key", "NUMBER": "3", "EMPTY": ""}
KEYS = (
    "default", "providers", "ensembles", "server", "lab", "panel", "base_url", "api_key", "like", "headers",
    "price", "input", "output", "cached", "timeout", "connect", "requests_per_minute", "tokens_per_minute",
    "concurrency", "proposers", "aggregator", "layers", "propose", "aggregate", "residual", "layer", "model",
    "system", "temperature", "top_p", "max_tokens", "seed", "samples", "fallback", "extra", "quorum", "grace",
    "minimum", "deadline", "first_token", "idle", "retries", "strict", "on_no_references", "prompt",
    "multiturn", "name", "description", "host", "port", "keys", "passthrough", "max_body", "usage",
    "critique", "revise", "peer_review", "keep", "window", "size", "tree", "fan", "analyse", "instructions",
    "members", "chair", "reviewers", "overrides", "openwebui",
    "show_proposers", "task_model", "drain", "a.b", "",
)  # fmt: skip
WORDS = (
    "demo/planner", "demo/editor", "lab/a", "grok/x", "panel", "${LAB_KEY}", "${NUMBER}", "${EMPTY}",
    "${GONE}", "$${x}", "${", "http://127.0.0.1:1/v1", "http://[::1", "http://x:99999", "ollama", "together",
    "answer", "auto", "total", "127.0.0.1", "/", "a", "inf",
)  # fmt: skip
TEAM = {"proposers": ["demo/planner", {"model": "lab/a", "samples": 2}], "aggregator": "demo/editor"}
GOOD: Mapping[str, Any] = {
    "default": "panel",
    "providers": {"lab": {"base_url": "http://127.0.0.1:1/v1", "api_key": "${LAB_KEY}", "price": 1}},
    "ensembles": {
        "panel": {**TEAM, "layers": 3, "deadline": 30, "prompt": "together", "fallback": "demo/planner"},
        "deep": {"layers": [{"propose": ["lab/a"]}, {"residual": "lab/b"}, {"aggregate": "demo/editor"}]},
        "council": {"members": ["lab/a", "lab/b"], "chair": "demo/editor", "keep": 1},
        "refined": {
            "layers": [
                {"propose": ["lab/a", "lab/b"]},
                {"critique": "lab/c"},
                {"revise": []},
                {"peer_review": ["lab/a"], "keep": 2},
                {"analyse": "lab/b"},
                {"tree": "lab/a", "fan": 2},
                {"window": "demo/editor", "size": 2},
            ]
        },
        "one": {"model": "lab/a", "extra": {"x": [1]}, "seed": 1},
    },
    "server": {"keys": ["${LAB_KEY}"], "port": 6620, "task_model": "lab/a"},
}
PREFIXED = (
    "MODEL_AGGREGATE", "MODEL_AGGREGATE_API_BASE", "MODEL_REFERENCE_1", "MODEL_REFERENCE_2",
    "MODEL_REFERENCE_2_API_KEY", "MODEL_REFERENCE_07", "API_BASE_1", "API_KEY_1", "API_KEY", "LAYERS",
    "DEFAULT_ROUNDS", "AGENTS_PER_LAYER", "DEFAULT_MAX_TOKENS", "DEFAULT_TEMPERATURE", "MULTITURN",
)  # fmt: skip
VALUES = (
    "llama",
    "http://127.0.0.1:1/v1",
    "key",
    "2",
    "0",
    "-1",
    "1e9",
    "99999999",
    "True",
    "no",
    "nan",
    "٣",
)


def configurations(data: bytes) -> None:
    """A `moa.toml`: a configuration, whose layers make themselves again, or an error of the user's."""
    source = made(data)
    if source is None:
        file = Path(FOLDER.name, "moa.toml")
        file.write_bytes(data)
        try:
            value = read(file)
        except ConfigError as error:
            assert error.message
            return
    else:
        value = source.near(GOOD, KEYS, WORDS)
    try:
        config = Config(value, source="a fuzzer", environ=ENVIRON)
        _holds(config)
    except UserError as error:
        assert error.message and str(error)


def environments(data: bytes) -> None:
    """A `.env`: names and texts; those of the article make a configuration or an error of the user's."""
    source = made(data)
    if source is None:
        environ = dotenv.parse(data.decode("utf-8", "replace"), ENVIRON)
        again = "".join(
            f"{name}='{value}'\n" for name, value in environ.items() if not {"'", "\n"} & {*value}
        )
        assert dotenv.parse(again, {}).items() <= environ.items()
    else:
        prefix = source.choose(("GROQ_", "OLLAMA_"))
        environ = {prefix + PREFIXED[0]: "llama", prefix + PREFIXED[2]: "llama"}
        for _ in range(source.number(9)):
            environ[prefix + source.choose(PREFIXED)] = source.choose((*VALUES, source.text(VALUES)))
    assert all(name.isidentifier() and isinstance(value, str) for name, value in environ.items())
    try:
        written = article.to_config(environ)
        config = Config(written, source="a fuzzer", environ=environ)
        _holds(config)
    except UserError as error:
        assert error.message
        return
    text = to_toml(written)
    assert tomllib.loads(text) == {key: value for key, value in written.items() if value}, text


def _holds(config: Config) -> None:
    for layer in config.values():
        written = layer.to_config()
        assert config.agent(written) == layer
        assert layer.plan().calls >= 1
        assert repr(layer)
    for endpoint in config.endpoints.values():
        # What was taken as an address is one for those who open it.
        assert URL(f"{endpoint.base_url}/chat/completions").host
        assert "made-up-key" not in repr(endpoint)
    assert repr(config) and from_config("demo/planner")
