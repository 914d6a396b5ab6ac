"""The generated parts are what the code says today, and the schema is what the loader takes."""

import json
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from moakit.config.reference import json_schema, markdown
from moakit.config.schema import SECTIONS
from moakit.errors import ConfigError
from tests.docs.markdown import ROOT
from tests.docs.schema import violations
from tests.docs.session import checked_toml

SCHEMA = json.loads((ROOT / "docs/moa.schema.json").read_text(encoding="utf-8"))


def test_they_are_fresh() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_key_is_described() -> None:
    text = markdown()
    for title, kind in SECTIONS:
        for key in kind.__struct_fields__:
            rows = [line for line in text.split("\n") if line.startswith(f"| `{key}` |")]
            assert rows, f"{key} of {title or 'the file'} has no row"
            assert all(row.split(" | ")[1] for row in rows), f"{key} of {title} has no meaning"


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    assert json_schema() == SCHEMA
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.update([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(SCHEMA)
    assert {f"#/$defs/{name}" for name in SCHEMA["$defs"]} == found


GOOD = """
default = "one"
[providers.lab]
base_url = "http://127.0.0.1:8080/v1"
price = { small = 1, large = { input = 1, output = 2 } }
[ensembles.one]
proposers = [
    "demo/planner",
    { model = "demo/skeptic", samples = 2 },
    { proposers = ["demo/planner"], aggregator = "demo/editor" },
]
aggregator = { model = "demo/editor", fallback = ["demo/planner", { model = "demo/skeptic", seed = 1 }] }
prompt = { closing = "Now." }
[ensembles.two]
layers = [
    { propose = ["demo/planner"] },
    { residual = "demo/skeptic" },
    { aggregate = "demo/editor", prompt = "together" },
]
"""


def test_it_takes_what_the_loader_takes() -> None:
    assert checked_toml(GOOD) == ""


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('default = "one"', "default = 1"),
        ('base_url = "http', 'base_ulr = "http'),
        ("samples = 2", "samples = 0"),
        ("seed = 1", "seed = 1.5"),
        ('closing = "Now."', 'ending = "Now."'),
        ('prompt = "together"', 'prompt = "apart"'),
        ('[\n    "demo/planner"', "[\n    1"),
        ('residual = "demo/skeptic"', 'residual = ["demo/skeptic"]'),
        ("output = 2", "output = -2"),
    ],
)
def test_it_refuses_what_the_loader_refuses(was: str, now: str) -> None:
    text = GOOD.replace(was, now)
    assert now in text
    with pytest.raises(ConfigError):
        checked_toml(text)
    assert violations(tomllib.loads(text), SCHEMA)
