"""The layers: references in, references out."""

from moakit.layers.agent import Agent
from moakit.layers.aggregator import Aggregator
from moakit.layers.analyse import Analyse
from moakit.layers.base import Layer
from moakit.layers.critique import Critique
from moakit.layers.peer_review import PeerReview
from moakit.layers.proposers import Proposers
from moakit.layers.provider import Provider
from moakit.layers.residual import Residual
from moakit.layers.revise import Revise
from moakit.layers.sequential import Sequential
from moakit.layers.tree import Tree
from moakit.layers.window import Window

__all__ = [
    "Agent",
    "Aggregator",
    "Analyse",
    "Critique",
    "Layer",
    "PeerReview",
    "Proposers",
    "Provider",
    "Residual",
    "Revise",
    "Sequential",
    "Tree",
    "Window",
]
