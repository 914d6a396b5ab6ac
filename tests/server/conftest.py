"""One server and one upstream for all tests of the server that do not need their own."""

from collections.abc import Iterator

import openai
import pytest

from tests.server.serving import KEY, Served, serving
from tests.upstream import Upstream

LAB_KEY = "lab-key-1"
CONFIG = """
default = "panel"

[providers.lab]
base_url = "${LAB_URL}"
api_key = "${LAB_KEY}"
price = { input = 1, output = 10 }
breaker = 0  # what one test breaks must not be remembered in the next

[providers.mystery]
base_url = "${LAB_URL}"
api_key = "${LAB_KEY}"

[ensembles.panel]
description = "Three models, and one that leads"
proposers = ["lab/one", "lab/two", "lab/three"]
aggregator = "lab/lead"
retries = 0

[ensembles.patient]
proposers = ["lab/one", "lab/two", "lab/three"]
aggregator = "lab/lead"

[ensembles.quick]
proposers = ["lab/one", "lab/two", "lab/three"]
aggregator = "lab/lead"
retries = 0
deadline = 2

[ensembles.alone]
proposers = ["lab/one", "lab/two", "lab/three"]
aggregator = "lab/lead"
retries = 0
on_no_references = "answer"
on_no_aggregator = "best"

[ensembles.unpriced]
proposers = ["mystery/one", "mystery/two"]
aggregator = "lab/lead"
retries = 0

[ensembles.solo]
model = "lab/lead"

[ensembles.deep]
retries = 0
[[ensembles.deep.layers]]
propose = ["lab/one", "lab/two"]
[[ensembles.deep.layers]]
aggregate = "lab/lead"

[server]
keys = ["${MOA_SERVER_KEY}", "another key"]
max_body = 1048576
"""


@pytest.fixture(scope="session")
def _upstream() -> Iterator[Upstream]:
    with Upstream.in_thread(keys={LAB_KEY}) as upstream:
        yield upstream


@pytest.fixture
def up(_upstream: Upstream) -> Iterator[Upstream]:
    """The upstream, with no calls and no faults yet; nothing may be left in flight."""
    _upstream.behaves.clear()
    _upstream.reset()
    yield _upstream
    _upstream.wait_idle()


@pytest.fixture(scope="session")
def served(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    environ = {"LAB_URL": _upstream.base_url, "LAB_KEY": LAB_KEY, "MOA_SERVER_KEY": KEY}
    with serving(folder, CONFIG, **environ) as server:
        yield server


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[openai.OpenAI]:
    """The official client, with its own retries on, as users have it."""
    with openai.OpenAI(base_url=served.base_url, api_key=KEY, timeout=20) as sdk:
        yield sdk
