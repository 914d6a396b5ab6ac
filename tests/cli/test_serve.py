"""`moa serve` as a command: what it takes, what it says, what it needs."""

import http.client
import json
import subprocess
import sys

from tests.processes import moa, surroundings
from tests.server.serving import started

BLOCKED = "import sys; sys.modules['starlette'] = None; from moakit.cli import main; main()"
MODEL = '[ensembles.x]\nmodel = "demo/planner"\n'


def test_it_says_where_it_serves_what(up, home):
    with started(home) as server:
        assert "".join(server.told) == f"moakit serves panel, solo, deep at {server.base_url}\n"


def test_without_a_configuration_it_serves_the_demo_models(tmp_path):
    with started(tmp_path) as server:
        assert "".join(server.told) == f"moakit serves moa-demo at {server.base_url}\n"


def test_an_open_address_without_a_key_is_served_only_when_told_so_and_closed_to_changes(tmp_path):
    (tmp_path / "moa.toml").write_text(MODEL)
    with started(tmp_path, "--host", "0.0.0.0", "--no-key") as server:
        assert "anyone who reaches this address can use it: no key is asked for" in "".join(server.told)
        reply = server.chat("x", key=None, moa={"layers": 3})
        assert reply.status == 400 and "does not let requests change" in reply.error["message"]


def test_the_configurations_own_port_is_used_unless_another_is_given(tmp_path):
    (tmp_path / "moa.toml").write_text(MODEL + "[server]\nport = 1\n")
    with started(tmp_path) as server:  # which says --port 0
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/v1/models")
        listed = json.loads(connection.getresponse().read())
        connection.close()
    assert [model["id"] for model in listed["data"]] == ["x"]


def test_without_its_extra_it_says_how_to_install_it(home):
    for name in ("serve", "demo-server"):
        done = subprocess.run(
            [sys.executable, "-c", BLOCKED, name],
            cwd=home,
            env=surroundings(home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr == (
            "error: the server needs the extra 'server', which is not installed\n"
            'hint: in a checkout of moakit: pip install ".[server]"\n'
        )


def test_wrong_usage_is_exit_code_2(home):
    for arguments in (["--port", "70000"], ["--port", "x"], ["--nothing"], ["--host", ""]):
        done = moa("serve", *arguments, "--config", "gone.toml", home=home)
        assert done.returncode == 2 and done.stdout == ""
