"""Everything public is documented; nothing is documented under another name."""

import re

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
            assert hasattr(moakit, name) or name in ("git", "toml"), f"{page.name}: moakit.{name}"
