"""Every screen, light and dark, on a desktop and on a phone; `--update-images` puts some into docs/images."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.openwebui import OpenWebUI
from tests.e2e.page import PATIENCE, ChatPage
from tests.e2e.setting import CONFIG, QUESTION, dialect_url, environ
from tests.server.serving import KEY, Served, serving
from tests.upstream import Upstream

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZES = {"desktop": {"width": 1080, "height": 640}, "phone": {"width": 390, "height": 780}}
IN_DOCS = {
    "desktop-light": ("connection", "models", "proposers", "answer", "info", "error"),
    "phone-dark": ("answer",),
}
LARGEST = 150_000
"""Bytes of a picture in the documentation."""
ENSEMBLES = """
default = "panel"

[ensembles.panel]
description = "Three small models answer, a large one writes the final answer"
proposers = ["lab/llama-3.1-8b", "lab/gemma-3-27b", "lab/qwen-2.5-72b"]
aggregator = "lab/llama-3.3-70b"

[ensembles.quick]
description = "The first two of three answers are enough"
proposers = ["lab/llama-3.1-8b", "lab/gemma-3-27b", "lab/qwen-2.5-72b"]
aggregator = "lab/llama-3.3-70b"

[ensembles.offline]
description = "Its models are down"
proposers = ["lab/down-one", "lab/down-two"]
aggregator = "lab/llama-3.3-70b"
retries = 0
"""


@pytest.fixture(scope="module")
def exhibited(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    start, end = CONFIG.index("[providers.lab]"), CONFIG.index("[ensembles.panel]")
    toml = ENSEMBLES + CONFIG[start:end] + CONFIG[CONFIG.index("[server]") :]
    with serving(tmp_path_factory.mktemp("exhibited"), toml, **environ(_upstream)) as server:
        yield server


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def shown(browser: Browser, site: OpenWebUI, up: Upstream, theme: str, size: str) -> Iterator[ChatPage]:
    site.connect()
    context = browser.new_context(viewport=SIZES[size], color_scheme=theme, reduced_motion="reduce")
    context.add_init_script(f"localStorage.token = {site.token!r}; localStorage.theme = {theme!r}")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield ChatPage(page, site.url)
    context.close()


def test_every_screen_fits_its_width(
    shown: ChatPage, site: OpenWebUI, exhibited: Served, theme: str, size: str, pytestconfig: pytest.Config
) -> None:
    taken: dict[str, Path] = {}

    def take(name: str) -> None:
        shown.page.wait_for_timeout(300)
        taken[name] = shown.shot(f"{name}-{size}-{theme}")
        wide = shown.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= SIZES[size]["width"], name

    _fill_in_the_connection(shown)
    take("connection")
    site.connect(dialect_url(exhibited), key=KEY)
    shown.open("panel")
    shown.page.locator("#model-selector-model-button").click()
    take("models")
    shown.open("panel").ask(QUESTION)
    shown.shows("answered (2/3)")
    shown.messages.get_by_text("Thinking").first.click()
    take("proposers")
    shown.finished()
    shown.shows("4 calls")
    shown.messages.get_by_label("Toggle status history").click()
    shown.messages.get_by_text("Thought for").click()
    shown.messages.get_by_label("Toggle 3 sources").click()
    take("timeline")
    shown.messages.get_by_label("Toggle status history").click()
    shown.page.mouse.move(5, 300)
    take("answer")
    shown.page.locator('button[id^="info-"]').hover()
    expect(shown.page.locator(".tippy-content")).to_be_visible()
    take("info")
    shown.messages.get_by_label("View source: lab/llama-3.1-8b").first.click()
    take("source")
    shown.open("offline").ask(QUESTION)
    shown.shows("HTTP 503")
    shown.page.mouse.move(5, 300)
    take("error")

    if pytestconfig.getoption("--update-images"):
        IMAGES.mkdir(exist_ok=True)
        for name in IN_DOCS.get(f"{size}-{theme}", ()):
            assert taken[name].stat().st_size < LARGEST, name
            phone = "" if size == "desktop" else "-phone"
            shutil.copyfile(taken[name], IMAGES / f"open-webui-{name}{phone}.png")


def _fill_in_the_connection(shown: ChatPage) -> None:
    page = shown.page
    page.goto(f"{shown.url}/admin/settings/connections")
    page.get_by_label("Add Connection").click()
    page.locator("#url-input").fill("http://127.0.0.1:6620/openwebui/v1")
    page.get_by_placeholder("API Key").fill(KEY)
