"""The shell of one page: commands run in order in one `sh`, servers in its background."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PATIENCE = 60.0
SERVER = re.compile(r"^(?:\w+=\S+ +)*moa (?P<kind>serve|demo-server)\b[^|;]*?(?P<background> *&)?$")
PORTS = {"serve": "6620", "demo-server": "6621"}


class Step(NamedTuple):
    """A command, and the output the page shows for it (None when it shows none)."""

    command: str
    shown: str | None


class Came(NamedTuple):
    """What a command gave."""

    code: int
    output: str


def steps(text: str) -> list[Step]:
    """Return the commands of a console block; a line that ends in a backslash goes on in the next."""
    found: list[Step] = []
    lines = iter(text.rstrip("\n").split("\n"))
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            found.append(Step(command, None))
        else:
            assert found, f"a console block begins with a command, not with {line!r}"
            last = found.pop()
            found.append(Step(last.command, f"{last.shown}\n{line}" if last.shown is not None else line))
    return found


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


class Shell:
    """One `sh` in a folder; a `moa serve` in it runs until the next one on its port, or to the end.

    The ports a page names are replaced by free ones, so that pages can run side by side; `out` gives the
    page's own back in whatever is compared.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], free_port: FreePorts) -> None:
        self.folder = folder
        self._environ = dict(environ)
        self._free_port = free_port
        self._ports: dict[str, str] = {}
        self._servers: dict[str, tuple[int, Path]] = {}
        self._code = 0
        self._process = subprocess.Popen(
            ["sh"], cwd=folder, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", start_new_session=True,
        )  # fmt: skip

    def run(self, command: str, *, export: Mapping[str, str] | None = None) -> Came:
        """Run a command and return its exit code and output; a server is waited for until it listens."""
        for name, value in (export or {}).items():
            self._send(f"export {name}='{value}'")
        server = SERVER.match(command)
        came = self._serve(command, server) if server else self._send(self.into(command))
        for name in export or {}:
            before = self._environ.get(name)
            self._send(f"unset {name}" if before is None else f"export {name}='{before}'")
        self._code = came.code
        return Came(came.code, self.out(came.output))

    def into(self, text: str) -> str:
        """Return a text with the page's ports replaced by those in use."""
        return re.sub(r"\b\d{4,5}\b", lambda number: self._ports.get(number[0], number[0]), text)

    def out(self, text: str) -> str:
        """Return a text with the ports in use replaced by the page's."""
        page = {real: shown for shown, real in self._ports.items()}
        return re.sub(r"\b\d{4,5}\b", lambda number: page.get(number[0], number[0]), text)

    def close(self) -> list[str]:
        """Stop the servers, then the shell; return what went wrong."""
        wrong = [said for shown in list(self._servers) if (said := self._stop(shown))]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=10)
        return wrong

    def _serve(self, command: str, match: re.Match[str]) -> Came:
        command = command.removesuffix(match["background"] or "")
        named = re.search(r"--port[ =](\d+)", command)
        shown = named[1] if named else PORTS[match["kind"]]
        if not named:
            command += f" --port {shown}"
        self._stop(shown)
        self._ports[shown] = str(self._free_port())
        log = self.folder / f".server-{shown}.log"
        log.touch()
        pid = self._send(f"{self.into(command)} >{log.name} 2>&1 & echo $!").output
        self._servers[shown] = (int(pid), log)
        end = time.monotonic() + PATIENCE
        while " serves " not in (said := log.read_text(encoding="utf-8")):
            if time.monotonic() > end or "error:" in said:
                del self._servers[shown]
                return Came(self._send(f"kill {pid} 2>/dev/null; wait {pid}").code, said)
            time.sleep(0.02)
        return Came(0, said)

    def _stop(self, shown: str) -> str:
        if shown not in self._servers:
            return ""
        pid, log = self._servers.pop(shown)
        code = self._send(f"kill {pid}; wait {pid}").code
        return f"the server ended with exit code {code}:\n{log.read_text(encoding='utf-8')}" if code else ""

    def _send(self, command: str) -> Came:
        """Run a command line in the shell; what it prints ends at a line no program prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mark = f"--- {uuid.uuid4().hex}"
        self._process.stdin.write(
            f"(exit {self._code}); {{ {command}\n}} </dev/null; printf '\\n%s %s\\n' '{mark}' $?\n"
        )
        self._process.stdin.flush()
        lines: list[str] = []
        watchdog = threading.Timer(PATIENCE, self._kill)
        watchdog.start()
        try:
            for line in self._process.stdout:
                if line.startswith(mark):
                    return Came(int(line.split()[-1]), "".join(lines).removesuffix("\n"))
                lines.append(line)
        finally:
            watchdog.cancel()
        said = "".join(lines)
        raise AssertionError(f"`{command}` did not end within {PATIENCE:g} s, or ended the shell:\n{said}")

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
