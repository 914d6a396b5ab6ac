"""The layers: references in, references out."""

from moakit.layers.agent import Agent
from moakit.layers.aggregator import Aggregator
from moakit.layers.base import Layer
from moakit.layers.cascade import Cascade
from moakit.layers.map import Map
from moakit.layers.proposers import Proposers
from moakit.layers.provider import Provider
from moakit.layers.residual import Residual
from moakit.layers.router import Router
from moakit.layers.sequential import Sequential
from moakit.layers.until import Until

__all__ = [
    "Agent",
    "Aggregator",
    "Cascade",
    "Layer",
    "Map",
    "Proposers",
    "Provider",
    "Residual",
    "Router",
    "Sequential",
    "Until",
]
