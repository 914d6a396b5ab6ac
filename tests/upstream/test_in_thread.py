"""The upstream serves synchronous tests and other processes."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.upstream import Upstream


def fetch(url: str, body: dict[str, Any] | None = None, key: str = "k") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def test_in_thread() -> None:
    with Upstream.in_thread() as up:
        body = {"model": "say:a", "messages": [{"role": "user", "content": "hi"}]}
        answer = fetch(f"{up.base_url}/chat/completions", body)
        assert answer["choices"][0]["message"]["content"] == "a"
        up.wait_idle()
        assert [call.status for call in up.calls] == ["done"]


def test_a_taken_port_is_an_error() -> None:
    with Upstream.in_thread() as up, pytest.raises(OSError, match="in use"), Upstream.in_thread(port=up.port):
        pass


def test_the_command_serves() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.upstream", "--port", "0", "--key", "k"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert fetch(f"{base_url}/models")["data"]
        process.terminate()
        assert process.wait(5) == 0
