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
    """Median wall times in seconds; `python` is a bare interpreter."""

    python: float
    importing: float
    help: float
    touched: list[str]
    """The socket operations that `import moakit` performed."""


def startup(home: Path, runs: int = 9) -> Startup | str:
    """The three commands in turn, so many times; a string says why not."""
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import moakit"],
        "help": [*moa(), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            began = time.monotonic()
            done = subprocess.run(  # noqa: S603  fixed commands
                command, cwd=home, env=environment(home), capture_output=True, text=True, check=False
            )
            if done.returncode:
                lines = done.stderr.strip().splitlines()
                return f"{name}: {lines[-1] if lines else done.returncode}"
            if number:
                seconds[name].append(time.monotonic() - began)
    watched = subprocess.run(  # noqa: S603  the line above
        [sys.executable, "-c", WATCH],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    return Startup(medians["python"], medians["import"], medians["help"], watched.stdout.split())
