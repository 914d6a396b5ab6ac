"""The examples in docstrings run; everything public is at hand in them."""

import doctest
import importlib
import pkgutil

import pytest

import moakit

FINDER = doctest.DocTestFinder(exclude_empty=True)
MODULES = [
    importlib.import_module(found.name) for found in pkgutil.walk_packages(moakit.__path__, prefix="moakit.")
]
EXAMPLES = {
    test.name: test
    for module in MODULES
    for test in FINDER.find(module, globs=vars(moakit) | vars(module) | {"moakit": moakit})
    if test.examples
}
WANTED = (
    "Agent",
    "Aggregator",
    "Analyse",
    "BestOf",
    "Council",
    "Critique",
    "Diverse",
    "Layer",
    "MoA",
    "MostConsistent",
    "OutlierFilter",
    "PeerReview",
    "Proposers",
    "Provider",
    "Ranker",
    "Residual",
    "Revise",
    "SelfMoA",
    "Sequential",
    "Shuffle",
    "Template",
    "Tree",
    "Truncate",
    "Voter",
    "Window",
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(EXAMPLES[name]).failed
    assert not failed, capsys.readouterr().out


@pytest.mark.parametrize("name", WANTED)
def test_what_one_composes_with_has_an_example(name: str) -> None:
    kind = getattr(moakit, name)
    assert f"{kind.__module__}.{kind.__name__}" in EXAMPLES
