"""Everything slow of these tests begins at once, in threads: each page a session, each example a process."""

import shutil
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, Block
from tests.docs.session import Session
from tests.upstream import Upstream

LISTED = ["gemma3:4b", "llama3.2:3b", "qwen3:8b"]
"""What a local server has, so that discovery has a choice."""


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Upstream]:
    """What answers in the place of every provider."""
    with Upstream.in_thread() as upstream:
        upstream.models = [*LISTED]
        yield upstream


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with `moa` from this environment, and `curl` where the system has none."""
    folder = tmp_path_factory.mktemp("bin")
    sources = {"moa": "from moakit.cli import main\nmain()\n"}
    if shutil.which("curl") is None:
        sources["curl"] = Path(__file__).with_name("curl.py").read_text(encoding="utf-8")
    for name, source in sources.items():
        script = folder / name
        script.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.fixture(scope="session")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=16) as executor:
        yield executor


@pytest.fixture(scope="session")
def followed(
    threads: ThreadPoolExecutor, binaries: Path, stand_in: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Future[dict[Block, str]]]:
    """Every page, being followed."""
    free_port = FreePorts()
    sessions: dict[str, Future[dict[Block, str]]] = {}
    for page in PAGES:
        if page.blocks():
            folder = tmp_path_factory.mktemp("page")
            session = Session(folder, binaries, stand_in.base_url, free_port)
            sessions[page.name] = threads.submit(session.follow, page)
    return sessions


class FreePorts:
    """Gives ports nobody listens on, each once, to any thread."""

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            while True:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    port: int = probe.getsockname()[1]
                if port not in self._given:
                    self._given.add(port)
                    return port
