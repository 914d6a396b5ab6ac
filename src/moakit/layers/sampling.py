"""The sampling that a run takes for its final layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moakit.errors import ConfigError, nearest
from moakit.policies.settings import Settings

PARAMETERS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "prompt_cache_key",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
"""The sampling that `run` takes by name; anything else goes into `extra`."""


def checked_parameters(parameters: Mapping[str, Any], extra: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the sampling for the final layer; an unknown name is a ConfigError with the nearest one."""
    for name in parameters:
        if name not in PARAMETERS:
            if name in Settings.__struct_fields__:
                raise ConfigError(
                    f"{name!r} is a setting, not sampling", hint="set it on the ensemble or a layer"
                )
            near = nearest(name, PARAMETERS)
            hint = f"did you mean {near!r}?" if near else "what a provider alone knows goes into extra={…}"
            raise ConfigError(f"unknown parameter {name!r}", hint=hint)
    given = {name: value for name, value in parameters.items() if value is not None}
    return {**given, **extra} if extra else given
