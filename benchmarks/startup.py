"""How long moakit takes to start."""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .processes import environment
from .sides.servers import moa

WATCH = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith("socket.") else None)
import moakit
print(*sorted(set(seen)))
"""


@dataclass(frozen=True)
class Startup:
    """Median wall times in seconds; `python` is a bare interpreter; None could not be measured."""

    python: float
    importing: float | None
    help: float | None
    touched: list[str] | None
    """The socket operations that `import moakit` performed."""


def startup(home: Path, runs: int = 9) -> Startup:
    """The three commands in turn, so many times."""
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import moakit"],
        "help": [*moa(), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            began = time.monotonic()
            done = run(command, home)
            if number and done.returncode == 0:  # the first one only writes and reads the bytecode
                seconds[name].append(time.monotonic() - began)
    medians = {name: statistics.median(found) if found else None for name, found in seconds.items()}
    watched = run([sys.executable, "-c", WATCH], home)
    touched = watched.stdout.split() if watched.returncode == 0 else None
    return Startup(medians["python"] or 0.0, medians["import"], medians["help"], touched)


def run(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """A finished process."""
    return subprocess.run(  # noqa: S603  fixed commands
        command, cwd=home, env=environment(home), capture_output=True, text=True, check=False
    )
