"""One upstream for all tests of the command line, and a folder with a configuration over it."""

import pytest

from tests.upstream import Upstream

CONFIG = """
default = "panel"

[providers.lab]
base_url = "{url}"
api_key = "${{LAB_KEY}}"
price = 0

[ensembles.panel]
description = "Two that propose, one that leads"
proposers = ["lab/one", "lab/two"]
aggregator = "lab/lead"
retries = 0

[ensembles.solo]
model = "lab/lead"

[ensembles.deep]
[[ensembles.deep.layers]]
propose = ["lab/one"]
[[ensembles.deep.layers]]
aggregate = "lab/lead"
"""
LAB_KEY = "lab-key-1"


@pytest.fixture(scope="session")
def _upstream():
    with Upstream.in_thread(keys={LAB_KEY}) as upstream:
        yield upstream


@pytest.fixture
def up(_upstream):
    _upstream.behaves.clear()
    _upstream.reset()
    _upstream.models = ["one", "two", "lead"]
    yield _upstream
    _upstream.wait_idle()


@pytest.fixture
def home(up, tmp_path):
    """A folder with a `moa.toml` over the upstream, and its key in `.env`."""
    (tmp_path / "moa.toml").write_text(CONFIG.format(url=up.base_url))
    (tmp_path / ".env").write_text(f"LAB_KEY={LAB_KEY}\n")
    return tmp_path
