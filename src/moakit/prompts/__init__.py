"""How references and system prompts are put into the messages a model receives."""

from moakit.prompts.layouts import LAYOUTS, Layout, Template, compose
from moakit.prompts.turns import continues, last_turn, without_tools

__all__ = ["LAYOUTS", "Layout", "Template", "compose", "continues", "last_turn", "without_tools"]
