"""Every test of a layer may ask for an upstream, and for a provider on it."""

from tests.lab import lab, up

__all__ = ["lab", "up"]
