"""Everything slow of these tests begins at once, in threads: each page a session, each example a process."""

import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docs.markdown import EXAMPLES, PAGES, Block
from tests.docs.notebook import NOTEBOOK, execute
from tests.docs.session import NOBODY, Session, environment
from tests.docs.shell import FreePorts
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


@pytest.fixture(scope="session")
def ran(
    threads: ThreadPoolExecutor, binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """What every example prints on the demo models; the client asks a server, moa.toml is asked as well."""
    folder = tmp_path_factory.mktemp("examples")
    environ = environment(folder, binaries, NOBODY)
    session = Session(folder, binaries, NOBODY, FreePorts())
    served = session.shell.run("moa serve")
    assert served.code == 0, served.output
    environ["MOA_BASE_URL"] = session.shell.into("http://127.0.0.1:6620/v1")

    def run(command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=folder, env=environ, encoding="utf-8", stdin=subprocess.DEVNULL, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{command} ended with exit code {done.returncode}:\n{done.stdout}"
        return done.stdout

    commands = {path.stem: [sys.executable, str(path)] for path in EXAMPLES.glob("*.py")}
    commands["moa.toml"] = ["moa", "ask", "--config", str(EXAMPLES / "moa.toml"), "-e", "newsroom", "Why?"]
    yield {name: threads.submit(run, command) for name, command in commands.items()}
    assert session.close() == []


@pytest.fixture(scope="session")
def noted(
    threads: ThreadPoolExecutor, binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Future[Path]:
    """The notebook, being run on the demo models."""
    target = tmp_path_factory.mktemp("notebook") / NOTEBOOK.name
    environ = environment(target.parent, binaries, NOBODY)

    def run() -> Path:
        execute(NOTEBOOK, target, environ)
        return target

    return threads.submit(run)


@pytest.fixture(scope="session", autouse=True)
def _begin(request: pytest.FixtureRequest) -> None:
    """Begin all that the chosen tests will ask for."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in ("followed", "ran", "noted"):
        if name in wanted:
            request.getfixturevalue(name)
