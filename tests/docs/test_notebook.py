"""The notebook runs from top to bottom in a real kernel, and what is committed is what that shows."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import ROOT
from tests.docs.notebook import NOTEBOOK, execute, read
from tests.docs.session import environment, set_up
from tests.upstream import Upstream

COMMITTED = read(NOTEBOOK)
PROVIDERS = {"groq": "GROQ_API_KEY", "together": "TOGETHER_API_KEY", "ollama": "OLLAMA_HOST"}


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream.in_thread() as upstream:
        yield upstream


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Any) -> dict[str, list[tuple[str, dict[str, list[str]]]]]:
    """What each cell shows, without its figures; calls are told in the order in which they ended."""
    return {
        cell.id: [
            (
                one.output_type,
                {kind: _lines(text) for kind, text in (one.get("data") or {"": one.text}).items()},
            )
            for one in cell.outputs
        ]
        for cell in code(notebook)
    }


def _lines(text: str) -> list[str]:
    return sorted(re.sub(r"[\d.,]+", "0", re.sub(r" +", " ", text)).split("\n"))


def test_the_committed_one_has_run_from_top_to_bottom() -> None:
    assert [cell.execution_count for cell in code(COMMITTED)] == list(range(1, len(code(COMMITTED)) + 1))
    kinds = [one.output_type for cell in code(COMMITTED) for one in cell.outputs]
    assert "error" not in kinds
    assert {"display_data", "execute_result", "stream"} <= set(kinds)


def test_it_says_nothing_of_the_machine_it_ran_on() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/tmp/|/Users/|api_key\b|Traceback|DeprecationWarning", text)
    assert json.loads(text)["metadata"]["language_info"] == {"name": "python"}


def test_it_needs_no_patched_event_loop() -> None:
    assert not [cell.source for cell in COMMITTED.cells if "nest_asyncio" in cell.source]


def test_its_links_lead_somewhere() -> None:
    links = [
        link for cell in COMMITTED.cells for link in re.findall(r"\]\(([^)\s]+)\)", cell.source)
        if cell.cell_type == "markdown"
    ]  # fmt: skip
    assert links
    for link in links:
        assert (NOTEBOOK.parent / link).resolve().is_relative_to(ROOT)
        assert (NOTEBOOK.parent / link).exists(), link


def test_what_is_committed_is_what_it_shows(noted: Future[Path]) -> None:
    ran = read(noted.result())
    assert [cell.source for cell in ran.cells] == [cell.source for cell in COMMITTED.cells]
    assert outputs(ran) == outputs(COMMITTED), "hint: python -m tests.docs.notebook"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_runs_unchanged_on_a_provider(provider: str, up: Upstream, tmp_path: Path, binaries: Path) -> None:
    environ = environment(tmp_path, binaries, up.base_url)
    environ |= set_up((provider,), up.base_url)
    if provider == "ollama":
        environ["OLLAMA_HOST"] = up.base_url
    target = tmp_path / NOTEBOOK.name
    execute(NOTEBOOK, target, environ)
    ran = outputs(read(target))
    assert {name: [kind for kind, _ in shown] for name, shown in ran.items()} == {
        name: [kind for kind, _ in shown] for name, shown in outputs(COMMITTED).items()
    }
    assert len(up.calls) > 30
    assert not [call.model for call in up.calls if "demo" in call.model]
    assert f"{provider}/" in str(ran["models"])
