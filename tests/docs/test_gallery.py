"""The gallery's page is its example: the code on it makes the same ensembles, within a dozen lines each."""

import re
from concurrent.futures import Future
from typing import Any

import pytest

import moakit
from examples import gallery
from tests.docs.markdown import DOCS

PAGE = next(page for page in DOCS if page.path.name == "gallery.md")
PART = re.compile(
    r"<!-- generated: gallery-(\w+) -->\n```python\n(.*?)```\n\n(.*?)\n\n```mermaid\n(.*?)\n```", re.DOTALL
)
PARTS = {name: (code, cost, picture) for name, code, cost, picture in PART.findall(PAGE.text)}
SECTIONS = PAGE.text.split("\n## ")[1:]
ENDS_EARLY = {"sparse_moa", "rmoa", "faster_moa", "pyramid_moa", "routing", "decomposition"}
"""Variants whose number of calls depends on what the models say."""
ASKED_AGAIN = {"council": 4, "peer_review": 4}
"""The demo models of the team cannot rank: each is asked once more, as a judge is that gave no verdict."""


@pytest.fixture
def page() -> dict[str, Any]:
    """What a reader has who has typed the page's first Python block."""
    opening = next(block for block in PAGE.blocks() if block.language == "python")
    namespace: dict[str, Any] = {}
    exec(opening.text, namespace)
    return namespace


def test_every_variant_has_a_section_with_its_source_and_its_use() -> None:
    assert list(PARTS) == list(gallery.VARIANTS)
    for name in PARTS:
        (section,) = (section for section in SECTIONS if f"<!-- generated: gallery-{name} -->" in section)
        assert "**When:**" in section
        assert "](https://" in section or name == "routing"


def test_the_pages_models_are_the_examples(page: dict[str, Any]) -> None:
    assert [*page["TEAM"], page["EDITOR"], page["JUDGE"]] == gallery.DEMO
    assert page["BEST"] == page["TEAM"][-1]


@pytest.mark.parametrize("name", gallery.VARIANTS)
def test_the_code_on_the_page_makes_it(
    name: str, page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("TEAM", "EDITOR", "JUDGE", "BEST"):
        monkeypatch.setattr(gallery, word, page[word])
    code, cost, picture = PARTS[name]
    assert code.count("\n") <= 12
    exec(code, page)
    ensemble = page[name]
    assert ensemble == gallery.VARIANTS[name]()
    assert picture == ensemble.to_mermaid()
    summary = ensemble.summary()
    assert cost == f"{summary.calls} calls in {summary.steps} step{'s' if summary.steps > 1 else ''}."


@pytest.mark.parametrize("name", gallery.VARIANTS)
def test_it_is_a_configuration_as_well(name: str) -> None:
    ensemble = gallery.VARIANTS[name]()
    assert moakit.from_config(ensemble.to_config()) == ensemble


@pytest.mark.parametrize("name", gallery.VARIANTS)
def test_a_run_takes_what_the_page_says(name: str, ran: dict[str, Future[str]]) -> None:
    said = ran["gallery"].result()
    counted = re.search(rf"^{name} +(\d+) calls, +(\d+) planned", said, re.MULTILINE)
    assert counted, said
    made, planned = map(int, counted.groups())
    assert planned == gallery.VARIANTS[name]().summary().calls
    if name in ENDS_EARLY:
        assert made <= planned
    else:
        assert made == planned + ASKED_AGAIN.get(name, 0)
