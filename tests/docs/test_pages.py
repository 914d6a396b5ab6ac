"""Every block of every page does what the page says; how, says session.py."""

from concurrent.futures import Future

import pytest

from tests.docs.markdown import DOCS, LINKED, PAGES, ROOT, Block, Page

BLOCKS = [block for page in PAGES for block in page.blocks()]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_holds(block: Block, followed: dict[str, Future[dict[Block, str]]]) -> None:
    wrong = followed[block.page].result()[block]
    if wrong:
        pytest.fail(f"{block}\n{wrong}", pytrace=False)


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links():
        target, _, anchor = link.partition("#")
        if target.startswith(("https://", "mailto:")):
            continue
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), f"{page.name}: {link} leads nowhere"
        assert path.is_relative_to(ROOT), f"{page.name}: {link} leads out of the repository"
        if anchor:
            assert anchor in Page(path).anchors(), f"{page.name}: {link} names no heading"


def test_every_page_is_reachable_from_the_index() -> None:
    index = next(page for page in DOCS if page.path.name == "index.md")
    linked = {link.partition("#")[0] for link in index.links()}
    assert {page.path.name for page in DOCS} - {"index.md"} <= linked
