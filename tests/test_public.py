"""The public API: its names, its signatures, its weight."""

import inspect
import subprocess
import sys

import pytest

import moakit
from moakit import errors, events, layers, types

ALWAYS = {"self", "settings"}


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name not in ALWAYS]


def keyword_only(function):
    found = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in found if parameter.kind is parameter.KEYWORD_ONLY]


def test_the_public_names_are_sorted_and_exist():
    assert moakit.__all__ == sorted(moakit.__all__)
    assert len(set(moakit.__all__)) == len(moakit.__all__)
    for name in moakit.__all__:
        assert getattr(moakit, name).__doc__, f"{name} says nothing of itself"


def test_the_public_names_are_complete():
    public = {name for name, value in vars(moakit).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert public == set(moakit.__all__)


@pytest.mark.parametrize("module", [errors, events, layers, types])
def test_every_class_of_these_modules_is_public(module):
    own = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and name[0] != "_" and value.__module__.startswith(module.__name__)
    }
    assert own <= set(moakit.__all__)


def test_every_error_is_in_the_drawn_tree():
    drawn = {line.split("─ ")[-1].split()[0] for line in errors.__doc__.splitlines() if "── " in line}
    kinds = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert drawn | {"MoaError"} == kinds
    assert all(issubclass(getattr(errors, name), moakit.MoaError) for name in drawn)
    assert issubclass(moakit.NotEnoughResponses, ExceptionGroup)


def test_agents_take_what_the_design_says():
    names = ["model", "system", "temperature", "top_p", "max_tokens", "seed", "reasoning_effort", "samples"]
    names += ["timeout", "fallback", "extra"]
    assert parameters(moakit.Agent) == names
    assert keyword_only(moakit.Agent) == names[1:]


def test_layers_take_what_the_design_says():
    settings = ["samples", "bench", "quorum", "minimum", "grace", "deadline", "max_tokens"]
    assert parameters(moakit.Proposers) == ["layers", *settings]
    assert keyword_only(moakit.Proposers) == settings
    assert parameters(moakit.Aggregator) == ["agent", "prompt", "fallback"]
    assert keyword_only(moakit.Aggregator) == ["prompt", "fallback"]
    assert parameters(moakit.MoA)[:3] == ["proposers", "aggregator", "layers"]
    assert inspect.signature(moakit.MoA).parameters["layers"].default == 2
    assert set(parameters(moakit.MoA)) - set(keyword_only(moakit.MoA)) == {"proposers", "aggregator"}
    assert parameters(moakit.SelfMoA)[:2] == ["model", "samples"]
    assert parameters(moakit.Residual) == ["layer"]
    wanted = ["name", "base_url", "api_key", "requests_per_minute"]
    assert [name for name in parameters(moakit.Provider) if name in wanted] == wanted


def test_a_layer_runs_as_the_design_says():
    assert parameters(moakit.Layer.forward) == ["prompt", "references", "run"]
    assert parameters(moakit.Layer.shape) == ["references"]
    assert parameters(moakit.Layer.stream)[:2] == ["prompt", "proposers"]
    assert inspect.iscoroutinefunction(moakit.Layer.forward) and inspect.iscoroutinefunction(moakit.Layer.run)
    for name in ("summary", "to_config", "named_layers", "replace", "__call__", "__getitem__", "__len__"):
        assert hasattr(moakit.Layer, name)


def test_values_have_the_fields_the_design_names():
    usage = "prompt_tokens completion_tokens total_tokens cached_tokens reasoning_tokens"
    assert moakit.Usage.__struct_fields__ == tuple(usage.split())
    answer = "text response references layers usage cost calls failures degraded duration run_id"
    answer += " citations false_citations"
    assert moakit.Answer.__struct_fields__ == tuple(answer.split())
    response = (
        "text model path role usage cost finish_reason tool_calls reasoning seconds first_token attempts"
    )
    assert moakit.Response.__struct_fields__[:12] == tuple(response.split())
    for value in (moakit.Usage(), moakit.Response(text="x")):
        with pytest.raises(AttributeError):
            value.cost = 1


def test_events_have_the_fields_the_design_names():
    common = {"run_id", "path", "at"}
    wanted = {
        "RunStarted": {"ensemble"},
        "LayerStarted": {"name"},
        "CallStarted": {"model", "role", "left_out"},
        "Delta": {"text", "kind", "answer"},
        "CallRetried": {"error", "wait"},
        "CallFinished": {"response"},
        "CallFailed": {"error", "final"},
        "Judged": {"verdict", "error"},
        "LayerFinished": {"responses", "dropped"},
        "RunFinished": {"answer"},
        "RunFailed": {"error"},
    }
    for name, fields in wanted.items():
        assert fields | common <= set(getattr(moakit, name).__struct_fields__)


def test_importing_is_light_and_silent():
    heavy = ["aiohttp", "starlette", "uvicorn", "openai", "genai_prices", "httpx", "sqlite3"]
    code = f"import sys, moakit; print([name for name in {heavy!r} if name in sys.modules])"
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, env=path
    )
    assert (found.stdout, found.stderr) == ("[]\n", "")
