"""Writing a configuration as TOML that says the same when it is read."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.config.writing import to_toml, value_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALAR = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
TABLE = st.dictionaries(TEXT, VALUE, max_size=4)
LAYERS = st.fixed_dictionaries({"layers": st.lists(TABLE | TEXT, max_size=3)}) | TABLE
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "default": TEXT,
        "providers": st.dictionaries(TEXT, TABLE, max_size=3),
        "ensembles": st.dictionaries(TEXT, LAYERS | TEXT, max_size=3),
        "server": TABLE,
    },
)


@given(value=VALUE)
def test_any_value_is_read_as_it_was(value):
    assert tomllib.loads(f"x = {value_of(value)}") == {"x": value}


@given(config=CONFIG)
def test_any_configuration_is_read_as_it_was(config):
    read = tomllib.loads(to_toml(config))
    # An empty section leaves no trace.
    assert read == {key: value for key, value in config.items() if value != {}}


def test_it_looks_like_what_a_person_writes():
    text = to_toml({
        "default": "panel",
        "providers": {"lab": {"base_url": "http://127.0.0.1:8080/v1", "api_key": "${LAB_KEY}"}},
        "ensembles": {
            "panel": {
                "proposers": ["lab/a", {"model": "lab/b", "temperature": 0.9}],
                "aggregator": "lab/c",
                "layers": 3,
            },
            "deep": {"deadline": 5, "layers": [{"propose": ["lab/a"]}, {"aggregate": "lab/c"}]},
        },
        "server": {"port": 6620},
    })  # fmt: skip
    assert (
        text
        == """\
default = "panel"

[providers.lab]
base_url = "http://127.0.0.1:8080/v1"
api_key = "${LAB_KEY}"

[ensembles.panel]
proposers = ["lab/a", { model = "lab/b", temperature = 0.9 }]
aggregator = "lab/c"
layers = 3

[ensembles.deep]
deadline = 5

[[ensembles.deep.layers]]
propose = ["lab/a"]

[[ensembles.deep.layers]]
aggregate = "lab/c"

[server]
port = 6620
"""
    )


@pytest.mark.parametrize(
    "text", ["\x7f", "\x00", '"', "\\", "\n", "\u2028", "é🔑", "'''", '"""', "\x1b[0m", "\x85"]
)
def test_every_character_survives(text):
    assert tomllib.loads(to_toml({"ensembles": {text: {"system": text}}})) == {
        "ensembles": {text: {"system": text}}
    }


def test_a_long_list_stands_on_lines_of_its_own():
    team = [f"provider/model-number-{number}" for number in range(6)]
    text = to_toml({"ensembles": {"x": {"proposers": team}}})
    assert '\n    "provider/model-number-3",\n' in text
    assert tomllib.loads(text)["ensembles"]["x"]["proposers"] == team
