"""Who is given the tools of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moakit.prompts import continues

if TYPE_CHECKING:
    from moakit.policies.settings import Settings
    from moakit.types import Prompt

TOOLS = frozenset(["tools", "functions"])
"""The parameters that offer tools; `functions` is the older form."""
TOOL_PARAMETERS = TOOLS | {"tool_choice", "function_call", "parallel_tool_calls"}
"""All that is said of tools."""


def offers_tools(parameters: Mapping[str, Any]) -> bool:
    """Say whether a request offers tools."""
    return any(parameters.get(name) for name in TOOLS)


def goes_alone(prompt: Prompt, parameters: Mapping[str, Any], settings: Settings) -> bool:
    """Say whether the final agent answers alone.

    It does when a tool's result came back, so that it goes on where it stopped, and when tools bypass the
    proposers. Where proposers vote on calls they vote on every one, so they are asked after a result too.
    """
    if settings.tools in (None, "aggregator") or not offers_tools(parameters):
        return continues(prompt)
    return settings.tools == "bypass" or (settings.tools != "vote" and continues(prompt))
