"""Everything public is documented; nothing is documented under another name."""

import re
from importlib.util import find_spec

import pytest

import moakit
from tests.docs.markdown import DOCS, PAGES

TEXT = "\n".join(page.text for page in DOCS)


@pytest.mark.parametrize("name", moakit.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    assert re.search(rf"`{name}`|\bmoakit\.{name}\b", TEXT)


def test_the_names_in_the_pages_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"\bmoakit\.([A-Za-z]\w*)", page.text):
            # A package inside, such as the one a logger is named after, is there without being imported.
            there = hasattr(moakit, name) or find_spec(f"moakit.{name}") is not None
            assert there or name in ("git", "toml"), f"{page.name}: moakit.{name}"
