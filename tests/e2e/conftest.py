"""One upstream, one `moa serve`, one Open WebUI and one Chromium for all tests; a fresh page for each."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.openwebui import OpenWebUI, running
from tests.e2e.page import PATIENCE, SCREENSHOTS, ChatPage
from tests.e2e.setting import BEHAVES, CONFIG, LAB_KEY, dialect_url, environ
from tests.server.serving import KEY, Served, serving
from tests.upstream import Upstream

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-images", action="store_true", help="put screenshots into docs/images")


@pytest.fixture(scope="session")
def _upstream() -> Iterator[Upstream]:
    with Upstream.in_thread(keys={LAB_KEY}) as upstream:
        yield upstream


@pytest.fixture
def up(_upstream: Upstream) -> Iterator[Upstream]:
    """The upstream, with no calls yet; nothing may be left in flight."""
    _upstream.behaves.clear()
    _upstream.behaves.update(BEHAVES)
    _upstream.reset()
    yield _upstream
    _upstream.wait_idle(10)


@pytest.fixture(scope="session")
def served(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, CONFIG, **environ(_upstream)) as server:
        yield server


@pytest.fixture(scope="session")
def _site(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebUI]:
    folder = tmp_path_factory.mktemp("open-webui")
    with running(folder, dialect_url(served), KEY) as site:
        yield site


@pytest.fixture
def site(_site: OpenWebUI, served: Served) -> OpenWebUI:
    """Open WebUI with the plain connection: one URL, one key, no headers."""
    _site.connect(dialect_url(served), key=KEY)
    return _site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: OpenWebUI, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of its own, signed in; a failed test leaves a screenshot of it."""
    failed = request.session.testsfailed
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(f"localStorage.token = {site.token!r}")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    if request.session.testsfailed > failed:
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"failed-{request.node.name}.png")
    context.close()


@pytest.fixture
def chat(page: Page, site: OpenWebUI, up: Upstream) -> ChatPage:
    return ChatPage(page, site.url)
