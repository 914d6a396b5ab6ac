"""Configuration: `moa.toml` and `.env` to ensembles and back."""

from moakit.config.build import from_config
from moakit.config.files import Config, load
from moakit.config.references import references_from

__all__ = ["Config", "from_config", "load", "references_from"]
