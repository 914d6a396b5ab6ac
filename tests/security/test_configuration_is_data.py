"""Configuration is data: nothing of it is run, imported, unpickled or looked up as an attribute."""

import ast
import pickle
import sys

import pytest

import moakit
from moakit import cli
from moakit.config.files import Config
from moakit.errors import ConfigError, MoaError, UserError
from moakit.prompts import Template
from tests.security.sources import imported, trees

CALLS = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
MODULES = {
    "code", "codeop", "commands", "cPickle", "ctypes", "dill", "imp", "jinja2", "joblib", "mako", "marshal",
    "pickle", "pdb", "pty", "runpy", "shelve", "subprocess", "xml", "xmlrpc", "yaml",
}  # fmt: skip
ATTRIBUTES = {
    "system",
    "popen",
    "spawnv",
    "execv",
    "execve",
    "load_module",
    "exec_module",
    "format_map",
    "literal_eval",
}
BY_NAME = {"cli/__init__.py"}
"""The file that imports a module by a name: one of its own commands."""
OWN_NAMES = (
    "cli/__init__.py", "config/", "ensembles.py", "layers/", "policies/", "prompts/", "server/overrides.py",
)  # fmt: skip
"""Where attributes are looked up by names that stand in our own tables and classes."""


@pytest.mark.parametrize(
    ("path", "tree"), list(trees()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_file_runs_what_it_reads(path, tree):
    for name in imported(tree):
        assert name.partition(".")[0] not in MODULES, name
        assert name not in ("importlib.import_module", "importlib.machinery", "importlib.abc"), name
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in CALLS, called.id
                if called.id in ("getattr", "setattr", "delattr"):
                    constant = isinstance(node.args[1], ast.Constant)
                    assert constant or path.startswith(OWN_NAMES), ast.unparse(node)
            elif isinstance(called, ast.Attribute):
                assert called.attr not in ATTRIBUTES, called.attr
                constant = all(isinstance(argument, ast.Constant) for argument in node.args)
                assert called.attr != "import_module" or constant or path in BY_NAME, ast.unparse(node)
                # A text that is filled in is a literal: `str.format` reaches attributes of what it is given.
                given = isinstance(called.value, ast.Name | ast.Attribute)
                literal = not given or ast.unparse(called.value).isupper()
                filled = called.attr == "format" and ast.unparse(called) != "msgspec.json.format"
                assert literal or not filled, ast.unparse(node)


def test_a_command_is_imported_only_if_it_is_one_of_ours():
    for name in ("os", "..config", "ask.__class__", "__init__", "openwebui.secrets", "../ask"):
        assert cli.moa.get_command(None, name) is None


HOSTILE = (
    "__import__('os').system('id')",
    "{{ 7 * 7 }}",
    "{0.__class__.__mro__}",
    "%(PATH)s",
    "$(id)",
    "`id`",
    "!!python/object/apply:os.system ['id']",
    "!ENV PATH",
    "file:///etc/passwd",
    "@/etc/passwd",
    "os:system",
    "os.path/join",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_the_configuration_stays_as_it_is(text):
    config = Config(
        {"ensembles": {"x": {
            "proposers": [{"model": "demo/planner", "system": text}],
            "aggregator": {"model": "demo/editor", "extra": {"a": text}},
            "description": text,
            "prompt": {"instructions": text},
        }}},
        source="a test",
        environ={"PATH": "not this", "id": "not this"},
    )  # fmt: skip
    layer = config["x"]
    assert layer.description == text
    assert layer[0][0].system == text
    assert layer.to_config()["prompt"] == {"instructions": text}


def test_names_of_layers_are_looked_up_in_what_was_given_alone():
    for name in ("Agent", "os.system", "moakit.Agent", "builtins.eval", "__import__", "Layer.__init__"):
        with pytest.raises(UserError, match="unknown layer"):
            moakit.from_config({"layer": name, "argument": "id"})
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "value", ["${}", "${A B}", "${A:-x}", "${A.b}", "${A!r}", "${A[0]}", "${!A}", "${A", "${é}"]
)
def test_a_variable_is_a_name_and_nothing_else(value):
    data = {"ensembles": {"x": {"model": "demo/planner", "system": value}}}
    with pytest.raises(ConfigError, match="is not a variable"):
        Config(data, source="a test", environ={"A": "found", "A B": "found", "é": "found"})


def test_what_a_variable_holds_is_not_filled_in_again():
    data = {"ensembles": {"x": {"model": "demo/planner", "system": "${A} $${B}"}}}
    config = Config(data, source="a test", environ={"A": "${B} $${B}", "B": "a secret"})
    assert config["x"].system == "${B} $${B} ${B}"


def test_a_variable_comes_from_the_given_environment_alone(monkeypatch):
    monkeypatch.setenv("ONLY_HERE", "found")
    with pytest.raises(ConfigError, match="ONLY_HERE} is not set"):
        Config({"ensembles": {"x": {"model": "demo/${ONLY_HERE}"}}}, source="a test", environ={})


def test_what_a_request_changes_is_not_filled_in():
    config = Config(
        {"ensembles": {"x": {"model": "demo/planner"}}}, source="a test", environ={"A": "a secret"}
    )
    assert config.agent({"model": "demo/planner", "system": "${A}"}).system == "${A}"


REACHING = "{mark.__class__.__mro__} {count.real} {0} {} {{mark}} {mark!r} {mark:>99999999} %s ${mark} {mark"


def test_a_template_fills_in_two_words_and_reaches_nothing():
    template = Template(instructions=REACHING, opening=REACHING, closing=f"{REACHING}|{{count}}|{{mark}}")
    system, user = template(
        [{"role": "user", "content": "hi"}], ["{mark} {count} {0}"], "run_0123456789abcdef"
    )
    assert system["content"] == REACHING
    filled = REACHING.replace("{mark}", "89abcdef")
    assert user["content"] == (
        f"hi\n\n{filled}\n\n<<<89abcdef reference 1>>>\n{{mark}} {{count}} {{0}}\n"
        f"<<<89abcdef end of references>>>\n\n{filled}|1|89abcdef"
    )


def test_an_error_that_is_unpickled_runs_nothing_of_the_text_it_carries():
    error = pickle.loads(pickle.dumps(MoaError("cos\nsystem\n(S'id'\ntR.", hint="{0.__class__}")))
    assert error.message == "cos\nsystem\n(S'id'\ntR."
