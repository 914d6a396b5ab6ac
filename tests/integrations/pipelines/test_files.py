"""The two files, and what the host makes of them."""

import ast
import re

import pytest

import moakit
from tests.integrations.pipelines.conftest import GROQ
from tests.integrations.pipelines.loading import FILES, Pipelines, front_matter

SUBSTITUTIONS = {"Groq": "Ollama", "GROQ": "OLLAMA", "groq": "ollama"}
COMMAND = (
    f"sed '{'; '.join(f's/{old}/{new}/g' for old, new in SUBSTITUTIONS.items())}' GROQ_FILE > OLLAMA_FILE"
)


def test_the_ollama_file_is_the_groq_file_with_another_name():
    text = FILES["groq"].read_text()
    for old, new in SUBSTITUTIONS.items():
        text = text.replace(old, new)
    assert text == FILES["ollama"].read_text(), f"write it anew: {COMMAND}"


@pytest.mark.parametrize("name", FILES)
def test_the_front_matter_is_complete(name):
    text = FILES[name].read_text(encoding="ascii")
    found = front_matter(text)
    assert found.keys() == {"title", "author", "version", "license", "description", "requirements"}
    assert found["title"] == f"MoA {name.title()}"
    assert found["requirements"] == "moakit"
    assert found["version"] == moakit.__version__


@pytest.mark.parametrize("name", FILES)
def test_moakit_is_imported_only_when_a_chat_needs_it(name):
    tree = ast.parse(FILES[name].read_text())
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert "moakit" not in " ".join(map(ast.unparse, imports))


def test_both_are_listed_under_their_names(host):
    assert host.models == {
        f"{GROQ}.moa-groq": "MoA Groq",
        "openwebui_pipeline_ollama.moa-ollama": "MoA Ollama",
    }
    assert not (host.folder / "failed").exists()


def test_a_file_whose_requirement_cannot_be_installed_goes_to_failed(tmp_path):
    def offline(requirement):
        raise OSError("no network")

    host = Pipelines(tmp_path, install=offline)
    host.add(FILES["groq"])
    assert host.models == {}
    assert (tmp_path / "failed" / FILES["groq"].name).exists()


def test_valves_survive_a_reload(host):
    host.update_valves(GROQ, GROQ_LAYERS=2, MODEL=None, GROQ_MODEL_AGGREGATE="")
    host.reload()
    valves = host.plugins[GROQ].valves
    assert (valves.GROQ_LAYERS, valves.MODEL, valves.GROQ_MODEL_AGGREGATE) == ("2", "moa-groq", "")


def test_every_key_is_a_password_and_stays_out_of_the_repr(host):
    plugin = host.plugins[GROQ]
    fields = plugin.valves.model_json_schema()["properties"]
    keys = [name for name in fields if re.search(r"_KEY(_\d+)?$", name)]
    assert len(keys) == 15
    for name in keys:
        assert fields[name]["input"] == {"type": "password"}
    assert "gsk_secret" not in repr(type(plugin.valves)(**dict.fromkeys(keys, "gsk_secret")))


def test_every_variable_of_the_article_is_a_valve(host, env):
    names = set(re.findall(r"^(\w+)=", env.env("GROQ"), re.MULTILINE))
    assert names <= type(host.plugins[GROQ].valves).model_fields.keys()
