"""The layers: references in, references out."""

from moakit.layers.agent import Agent
from moakit.layers.aggregator import Aggregator
from moakit.layers.analyse import Analyse
from moakit.layers.base import Layer
from moakit.layers.best_of import BestOf
from moakit.layers.cascade import Cascade
from moakit.layers.critique import Critique
from moakit.layers.diverse import Diverse
from moakit.layers.map import Map
from moakit.layers.most_consistent import MostConsistent
from moakit.layers.outlier_filter import OutlierFilter
from moakit.layers.peer_review import PeerReview
from moakit.layers.proposers import Proposers
from moakit.layers.provider import Provider
from moakit.layers.ranker import Ranker
from moakit.layers.residual import Residual
from moakit.layers.revise import Revise
from moakit.layers.router import Router
from moakit.layers.sequential import Sequential
from moakit.layers.shuffle import Shuffle
from moakit.layers.tree import Tree
from moakit.layers.truncate import Truncate
from moakit.layers.until import Until
from moakit.layers.voter import Voter
from moakit.layers.window import Window

__all__ = [
    "Agent",
    "Aggregator",
    "Analyse",
    "BestOf",
    "Cascade",
    "Critique",
    "Diverse",
    "Layer",
    "Map",
    "MostConsistent",
    "OutlierFilter",
    "PeerReview",
    "Proposers",
    "Provider",
    "Ranker",
    "Residual",
    "Revise",
    "Router",
    "Sequential",
    "Shuffle",
    "Tree",
    "Truncate",
    "Until",
    "Voter",
    "Window",
]
