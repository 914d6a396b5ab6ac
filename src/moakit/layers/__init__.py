"""The layers: references in, references out."""

from moakit.layers.agent import Agent
from moakit.layers.aggregator import Aggregator
from moakit.layers.base import Layer
from moakit.layers.best_of import BestOf
from moakit.layers.cascade import Cascade
from moakit.layers.diverse import Diverse
from moakit.layers.map import Map
from moakit.layers.most_consistent import MostConsistent
from moakit.layers.outlier_filter import OutlierFilter
from moakit.layers.proposers import Proposers
from moakit.layers.provider import Provider
from moakit.layers.ranker import Ranker
from moakit.layers.residual import Residual
from moakit.layers.router import Router
from moakit.layers.sequential import Sequential
from moakit.layers.shuffle import Shuffle
from moakit.layers.truncate import Truncate
from moakit.layers.until import Until
from moakit.layers.voter import Voter

__all__ = [
    "Agent",
    "Aggregator",
    "BestOf",
    "Cascade",
    "Diverse",
    "Layer",
    "Map",
    "MostConsistent",
    "OutlierFilter",
    "Proposers",
    "Provider",
    "Ranker",
    "Residual",
    "Router",
    "Sequential",
    "Shuffle",
    "Truncate",
    "Until",
    "Voter",
]
