"""The layers: references in, references out."""

from moakit.layers.agent import Agent
from moakit.layers.aggregator import Aggregator
from moakit.layers.base import Layer
from moakit.layers.proposers import Proposers
from moakit.layers.provider import Provider
from moakit.layers.residual import Residual
from moakit.layers.sequential import Sequential

__all__ = ["Agent", "Aggregator", "Layer", "Proposers", "Provider", "Residual", "Sequential"]
