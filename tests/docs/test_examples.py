"""Every example runs: without a key as a reader would run it, and on each provider it names."""

import ast
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

import moakit
from examples.multi_layer import multi_layer
from examples.two_layers import two_layers
from tests.docs.markdown import EXAMPLES
from tests.docs.session import checked_toml, environment
from tests.upstream import Upstream

SAYS = {
    "two_layers": r"4 references on “.*\n5 calls, \d+ tokens, [\d.]+ s",
    "multi_layer": r"4 references on “.*\n3 layers, 9 calls, [\d.]+ s",
    "own_layer": r"\(1\): Shortest\(keep=2\).*1  Shortest +4 +2 .*4 proposals, .*demo/\w+ and demo/\w+ were",
    "self_moa": r"I have read 3 references.*0\.0#2 +proposer .*1\.0 +aggregator",
    "nested": r"\(0\): MoA\(name='critics'.*2 references on “.*reference 0\.0\S* by demo/editor",
    "events": r"failed: demo/broken: .*went without 1.*4 calls, degraded: True.*\d+ from proposers",
    "gallery": r"^demo/planner, .*\nmoa +9 calls.*rmoa +\d+ calls, 17 planned.*debate +12.*routing +5 calls",
    "openai_client": r"^moa-demo: .*3 references on “.*\d+ tokens in 4 calls",
}
CHOSEN = [name for name in SAYS if name != "openai_client"]
PROVIDERS = {
    "GROQ_API_KEY": "GROQ_BASE_URL",
    "TOGETHER_API_KEY": "TOGETHER_BASE_URL",
    "OLLAMA_HOST": "OLLAMA_BASE_URL",
}


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream.in_thread() as upstream:
        yield upstream


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SAYS)
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix not in (".py", "")} == {
        "moa.toml",
        "moa.ipynb",
        "article.env",
    }


@pytest.mark.parametrize("name", SAYS)
def test_it_runs_without_a_key(name: str, ran: dict[str, Future[str]]) -> None:
    said = ran[name].result()
    assert re.search(SAYS[name], said, re.DOTALL), said


@pytest.mark.parametrize("key", PROVIDERS)
@pytest.mark.parametrize("name", CHOSEN)
def test_it_runs_on_a_provider(
    name: str, key: str, up: Upstream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in PROVIDERS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(key, "key")
    monkeypatch.setenv(PROVIDERS[key], up.base_url)
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert len(up.calls) >= 3
    assert up.calls[-1].model in capsys.readouterr().out
    assert not any(call.model.startswith("demo") for call in up.calls)


def lines_of(name: str) -> int:
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return (function.end_lineno or 0) - function.lineno + 1


@pytest.mark.parametrize("name", ["two_layers", "multi_layer"])
def test_the_notebooks_functions_are_at_most_eight_lines(name: str) -> None:
    assert lines_of(name) <= 8


def test_two_layers_asks_four_at_once_then_one(up: Upstream, capsys: pytest.CaptureFixture[str]) -> None:
    lab = moakit.Provider("lab", base_url=up.base_url, api_key="key", price=0)
    answer = two_layers("why", [lab(f"{name}+sleep:0.2") for name in "abcd"], lab("say:in_the_end+pace:0.01"))
    assert [call.model[0] for call in up.calls] == [*"abcd", "s"]
    assert up.peak == 4
    assert up.calls[-1].stream and not up.calls[0].stream
    assert capsys.readouterr().out == answer.text == "in the end"


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_multi_layer_asks_all_of_each_layer(
    layers: int, up: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = moakit.Provider("lab", base_url=up.base_url, api_key="key", price=0)
    answer = multi_layer("why", layers, [lab(name) for name in "abcd"], lab("lead"))
    assert len(up.calls) == 4 * (layers - 1) + 1
    assert [len(up.of(name)) for name in ("a", "d", "lead")] == [layers - 1, layers - 1, 1]
    assert "a #1:" in up.calls[-1].prompt if layers == 2 else f"a #{layers - 1}:" in up.calls[-1].prompt
    assert capsys.readouterr().out == answer.text


def test_the_configuration_runs(ran: dict[str, Future[str]]) -> None:
    assert checked_toml((EXAMPLES / "moa.toml").read_text(encoding="utf-8")) == ""
    config = moakit.load(EXAMPLES / "moa.toml")
    assert config.default == "panel"
    assert set(config) == {"panel", "newsroom"}
    assert "5 references on “Why?”" in ran["moa.toml"].result()


def test_the_articles_environment_runs(binaries: Path, tmp_path: Path, up: Upstream) -> None:
    (tmp_path / ".env").write_bytes((EXAMPLES / "article.env").read_bytes())
    environ = environment(tmp_path, binaries, up.base_url)
    said = subprocess.run(
        ["moa", "ask", "-e", "moa-groq", "Why?"], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", check=True, timeout=60,
    )  # fmt: skip
    assert said.stdout.startswith("llama-3.3-70b-versatile #1") and not said.stderr
    models = ["llama-3.1-8b-instant", "openai/gpt-oss-20b", "qwen/qwen3-32b", "llama-3.3-70b-versatile"]
    assert sorted(call.model for call in up.calls) == sorted(models)
    assert all(call.body["temperature"] == 0.9 and call.body["max_tokens"] == 4096 for call in up.calls)
    assert {call.key for call in up.calls} == {"put your own key here"}
