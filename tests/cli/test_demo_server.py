"""`moa demo-server`: the demo models as an upstream, for `moa` itself or any other client."""

import re
import signal
import subprocess

import pytest

from tests.processes import MOA, moa, surroundings

CONFIG = """
[providers.demos]
base_url = "{url}"
[ensembles.panel]
proposers = ["demos/planner", "demos/broken"]
aggregator = "demos/editor"
retries = 0
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a configuration over a running demo server."""
    folder = tmp_path_factory.mktemp("demo")
    process = subprocess.Popen(
        [*MOA, "demo-server", "--port", "0"],
        cwd=folder,
        env=surroundings(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            url = re.search(r"http://\S+/v1", process.stderr.readline())[0]
            (folder / "moa.toml").write_text(CONFIG.format(url=url))
            yield folder
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            said = process.stderr.read().splitlines()
            assert all("failed: demo/broken: BadResponse" in line for line in said)
            assert "Traceback" not in said


def test_its_models_answer_through_an_ensemble(home):
    done = moa("ask", "why", home=home)
    assert done.returncode == 0
    assert done.stdout.startswith("[demo model, not a language model] 1 reference on “why”, merged:")
    assert done.stderr.startswith("warning: without demos/broken: ") and "always fails" in done.stderr


def test_it_takes_a_port_in_use_as_an_error(home):
    port = re.search(r":(\d+)/v1", (home / "moa.toml").read_text())[1]
    done = moa("demo-server", "--port", port, home=home)
    assert done.returncode == 2 and "cannot be bound" in done.stderr
