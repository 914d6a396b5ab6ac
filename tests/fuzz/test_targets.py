"""Every target, with its seeds, with all that fuzzing has found, and with inputs that hypothesis makes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.source import MADE
from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
KEPT = sorted(
    path
    for folder in ("seeds", "found")
    for path in (HERE / folder).glob("*/*")
    if not path.name.startswith(".")
)
DATA = st.binary(max_size=400) | st.binary(max_size=400).map(MADE.__add__)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: str(path.relative_to(HERE)))
def test_what_was_kept_holds(path):
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_seeds(name):
    assert any((HERE / "seeds" / name).iterdir())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150)
@given(data=DATA)
def test_any_input_holds(name, data):
    TARGETS[name](data)
