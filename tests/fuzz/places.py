"""Where fuzzing finds its inputs, and where it leaves what it makes."""

from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SEEDS = HERE / "seeds"
"""Inputs to begin with, a folder for each target."""
FOUND = HERE / "found"
"""Inputs that failed, by target: each is a test from the day it is found."""
BUILD = ROOT / "build" / "fuzz"
"""What is only kept to go on from: inputs that reached something new, reports."""
OPENAPI = ROOT / "docs" / "openapi.json"
