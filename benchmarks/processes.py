"""Processes that take part in a measurement: started, asked, timed, stopped."""

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "LANG", "TMPDIR", "TEMP")


class NotAvailable(Exception):
    """A side that cannot be started here."""


def environment(home: Path) -> dict[str, str]:
    """An environment without keys and proxies, whose home is a folder of the benchmark's own."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    folders = {"HOME": home, "XDG_CONFIG_HOME": home / "config", "XDG_DATA_HOME": home / "data"}
    folders |= {"XDG_STATE_HOME": home / "state", "XDG_CACHE_HOME": home / "cache"}
    return kept | {name: str(folder) for name, folder in folders.items()} | {"BENCH_API_KEY": "x"}


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, in seconds."""
    if platform.system() == "Linux":
        # The kernel's name for that process's CPU clock, see clock_getcpuclockid(3); /proc counts in 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    command = ["ps", "-o", "time=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  fixed
    seconds = 0.0
    for part in shown.stdout.strip().replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


class Helper:
    """A `python -m` process that answers one JSON line for one JSON line."""

    def __init__(self, module: str, *arguments: str, home: Path) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self.process = subprocess.Popen(  # noqa: S603  our own module
            command,
            cwd=ROOT,
            env=environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = self._line()

    def ask(self, question: dict[str, Any]) -> Any:
        """The process's answer."""
        assert self.process.stdin is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.kill()
            error = self.process.stderr.read().strip()
            raise NotAvailable(error.splitlines()[-1] if error else "it ended without a word")
        return json.loads(line)

    def stop(self) -> None:
        """Ends it."""
        stop(self.process)


def stop(process: subprocess.Popen[str]) -> None:
    """Ends a process of ours."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


class Server:
    """A server side in a process of its own."""

    def __init__(self, command: Sequence[str], port: int, *, home: Path, folder: Path) -> None:
        self.port = port
        self.log = home / f"server-{port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(  # noqa: S603  ours, or moakit's
                command, cwd=folder, env=environment(home), stdout=log, stderr=subprocess.STDOUT, text=True
            )
        self._wait()

    def _wait(self, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        stop(self.process)
        lines = self.log.read_text().strip().splitlines()
        raise NotAvailable(lines[-1] if lines else "it does not listen")

    def cpu(self) -> float:
        """CPU time so far, in seconds."""
        return cpu_seconds(self.process.pid)

    def stop(self) -> None:
        """Ends it."""
        stop(self.process)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Upstreams:
    """The upstream's processes, all on one port."""

    def __init__(self, processes: int, home: Path) -> None:
        share = ["--share"] if processes > 1 else []
        first = Helper("benchmarks.upstream", *share, home=home)
        self.port = int(first.said)
        rest = [
            Helper("benchmarks.upstream", "--port", str(self.port), *share, home=home)
            for _ in range(processes - 1)
        ]
        self.helpers = [first, *rest]

    @property
    def base_url(self) -> str:
        """Where all of them listen."""
        return f"http://127.0.0.1:{self.port}/v1"

    def cpu(self) -> list[float]:
        """CPU time of each process."""
        return [cpu_seconds(helper.process.pid) for helper in self.helpers]

    def stop(self) -> None:
        """Ends it."""
        for helper in self.helpers:
            helper.stop()


@contextlib.contextmanager
def upstreams(processes: int, home: Path) -> Iterator[Upstreams]:
    """Upstream processes for as long as the block runs."""
    running = Upstreams(processes, home)
    try:
        yield running
    finally:
        running.stop()
