"""The texts of a layer that has its own layout, and what of them a user has replaced."""

from __future__ import annotations

from moakit.errors import ConfigError, MoaError
from moakit.prompts.layouts import Layout, Template


def own_layout(owner: str, layout: Layout | None, default: Template) -> Layout:
    """Return the layout of a layer, its default where none is given.

    The names "moakit" and "together" are layouts for writing an answer, so they are a `ConfigError` here.
    """
    if layout is None:
        return default
    if isinstance(layout, str) or not callable(layout):
        raise ConfigError(
            f"{owner}: prompt = {layout!r} is not a Template or a function",
            hint="give `instructions`, `opening` or `closing`; what is not given stays",
        )
    return layout


def replaced(layout: Layout, default: Template) -> dict[str, str]:
    """Return the texts that differ from the default's, as they stand in a configuration."""
    if not isinstance(layout, Template):
        raise MoaError("a prompt that is a function has no configuration", hint="use a Template")
    names = Template.__struct_fields__
    return {name: text for name in names if (text := getattr(layout, name)) != getattr(default, name)}
