"""`moa models`, `show`, `init`, `--help`: what there is, and how it begins."""

import json
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

import moakit
from moakit.cli import COMMANDS
from moakit.cli import moa as command
from tests.article import article
from tests.processes import moa


def test_models_are_listed_one_a_line_with_a_tab(up, home):
    done = moa("models", home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "panel\tTwo that propose, one that leads (default)",
        "solo\t1 calls in 1 steps",
        "deep\t2 calls in 2 steps",
    ]
    assert up.calls == []


def test_all_models_are_those_of_every_provider_that_can_be_reached(up, home):
    up.models = ["gemma", "llama"]
    (home / "moa.toml").write_text(
        (home / "moa.toml").read_text() + '\n[providers.gone]\nbase_url = "http://127.0.0.1:1/v1"\n'
    )
    done = moa("models", "--all", home=home, VLLM_BASE_URL=up.base_url, VLLM_API_KEY="lab-key-1")
    assert done.returncode == 0
    names = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert {"lab/gemma", "lab/llama", "vllm/gemma", "demo/planner"} <= set(names)
    assert done.stderr.startswith("gone: ") and done.stderr.count("\n") == 1


def test_show_tells_what_an_ensemble_is_made_of_and_what_it_takes(up, home):
    done = moa("show", "deep", home=home)
    assert done.returncode == 0 and "Aggregator" in done.stdout and "lab/lead" in done.stdout
    assert "total" in done.stdout and "calls" in done.stdout
    assert "lab/two" in moa("show", home=home).stdout
    config = json.loads(moa("show", "--json", home=home).stdout)
    assert config["proposers"] == ["lab/one", "lab/two"] and config["name"] == "panel"
    picture = moa("show", "--mermaid", home=home)
    assert picture.stdout.startswith("flowchart LR\n") and 'n0_0["lab/one"]' in picture.stdout
    assert moa("show", "--mermaid", "--json", home=home).returncode == 2
    assert moa("show", "gone", home=home).returncode == 2
    assert up.calls == []


def test_init_writes_what_is_found_and_does_not_overwrite(up, tmp_path):
    up.models = ["small:1b", "large:9b"]
    environ = {"VLLM_BASE_URL": up.base_url, "VLLM_API_KEY": "lab-key-1", "GROQ_API_KEY": "gsk_secret1"}
    done = moa("init", home=tmp_path, **environ)
    assert (done.returncode, done.stdout) == (0, "") and "wrote moa.toml: moa" in done.stderr
    text = (tmp_path / "moa.toml").read_text()
    assert "gsk_secret1" not in text + done.stderr
    team = tomllib.loads(text)["ensembles"]["moa"]
    assert {name.partition("/")[0] for name in team["proposers"]} == {"groq", "vllm"}
    assert moa("show", home=tmp_path, **environ).returncode == 0

    again = moa("init", home=tmp_path, **environ)
    assert again.returncode == 2
    assert again.stderr == "error: moa.toml exists\nhint: --force replaces it, --output writes another\n"
    (tmp_path / "moa.toml").write_text("mine")
    assert moa("init", home=tmp_path, **environ).returncode == 2
    assert (tmp_path / "moa.toml").read_text() == "mine"
    assert moa("init", "--force", home=tmp_path, **environ).returncode == 0
    assert (tmp_path / "moa.toml").read_text() == text
    assert moa("init", "-o", "other.toml", home=tmp_path, **environ).returncode == 0
    assert (tmp_path / "other.toml").read_text() == text


def test_init_with_nothing_at_hand_writes_the_demo_ensemble_and_says_so(tmp_path):
    done = moa("init", home=tmp_path)
    assert done.returncode == 0 and "these are the demo models" in done.stderr
    assert list(moakit.load(tmp_path / "moa.toml")) == ["moa-demo"]


@pytest.mark.parametrize("output", ["nowhere/moa.toml", "."])
def test_init_that_cannot_write_says_so(tmp_path, output):
    done = moa("init", "--force", "-o", output, home=tmp_path)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith((f"error: {output}", "hint:"))


@pytest.mark.parametrize("changes", [{}, {"layers": 2, "agents": 2}, {"rounds": 2, "multiturn": False}])
def test_init_from_the_articles_file_makes_the_same_calls(tmp_path, changes):
    conversation = [{"role": "user", "content": text} for text in ("first", "second")]
    conversation.insert(1, {"role": "assistant", "content": "yes"})

    def calls(papers, ensemble):
        papers.reset()
        ensemble(conversation)
        papers.check()
        return sorted(
            (call.model, call.key, number, len(call.messages), call.body["temperature"])
            for call, number in papers.calls
        )

    with article() as papers:
        (tmp_path / ".env").write_text(papers.env(**changes))
        done = moa("init", "--from-env", ".env", home=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "wrote moa.toml: moa-groq" in done.stderr
        text = (tmp_path / "moa.toml").read_text()
        assert "gsk_key" not in text
        written = moakit.load(tmp_path / "moa.toml")
        assert list(written) == ["moa-groq"] and written.default == "moa-groq"
        (tmp_path / "moa.toml").unlink()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            plain = moakit.load()
        assert calls(papers, written["moa-groq"]) == calls(papers, plain["moa-groq"])


def test_init_from_a_file_without_the_articles_names_is_refused(tmp_path):
    (tmp_path / ".env").write_text("A=1\n")
    done = moa("init", "--from-env", ".env", home=tmp_path)
    assert (
        done.returncode == 2 and "sets neither GROQ_MODEL_AGGREGATE nor OLLAMA_MODEL_AGGREGATE" in done.stderr
    )
    done = moa("init", "--from-env", "gone", home=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: there is no file gone\n")
    assert not (tmp_path / "moa.toml").exists()


def test_a_broken_configuration_is_one_error_everywhere(tmp_path):
    (tmp_path / "moa.toml").write_text("[server]\nprot = 1\n")
    for name in ("ask", "chat", "serve", "models", "show"):
        done = moa(name, *(["why"] if name == "ask" else []), home=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: moa.toml: unknown key server.prot\nhint: did you mean 'port'?\n"


def test_a_configuration_is_found_by_option_and_variable(up, home, tmp_path):
    (home / "moa.toml").rename(home / "named.toml")
    assert moa("show", "panel", "--config", "named.toml", home=home).returncode == 0
    assert moa("show", "panel", home=home, MOA_CONFIG="named.toml").returncode == 0
    assert moa("show", "panel", home=home).returncode == 2


def test_a_configuration_without_ensembles_says_so(tmp_path):
    (tmp_path / "moa.toml").write_text("[server]\nport = 1\n")
    done = moa("ask", "why", home=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: the configuration has no ensembles")
    assert moa("models", home=tmp_path).stdout == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps(name):
    result = CliRunner().invoke(command, [name, "--help"])
    assert result.exit_code == 0 and result.output.startswith(f"Usage: moa {name}")
    assert CliRunner().invoke(command, [name, "-h"]).output == result.output


def test_the_whole_helps_and_has_a_version(tmp_path):
    done = moa("--help", home=tmp_path)
    assert done.returncode == 0 and all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert "Exit codes: 0 success" in done.stdout
    assert moa("--version", home=tmp_path).stdout == f"moakit, version {moakit.__version__}\n"
    bare = moa(home=tmp_path)
    assert done.stdout in (bare.stdout, bare.stderr)


def test_the_package_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "moakit", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("moakit, version ")
