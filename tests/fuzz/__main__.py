"""What `make fuzz` runs: every target in turn, guided by coverage, then a real server over HTTP.

python -m tests.fuzz --minutes 10 [TARGET …] [http]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import NamedTuple

from tests.fuzz.places import BUILD, FOUND, ROOT, SEEDS
from tests.fuzz.targets import TARGETS

HTTP = "http"
SHARE = 2
"""How many times a target's time the server gets."""
LONGEST = 4096
"""The largest input, in bytes; what only a large one shows has tests of its own."""
_STATS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


class Result(NamedTuple):
    """What became of a target; `reached` counts the pieces of code that its inputs have reached."""

    name: str
    runs: int
    reached: int
    seconds: float
    failed: bool


def main() -> int:
    """Fuzz what is named, or everything; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for everything together")
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join([*TARGETS, HTTP]))
    given = parser.parse_args()
    names = given.names or [*TARGETS, HTTP]
    unknown = [name for name in names if name not in (*TARGETS, HTTP)]
    if unknown:
        parser.error(f"there is no target {unknown[0]}: {', '.join([*TARGETS, HTTP])}")
    if find_spec("atheris") is None:
        sys.stderr.write("atheris is not here (Linux on x86-64 has it), so only the server is fuzzed\n")
        names = [name for name in names if name == HTTP]
    share = given.minutes * 60 / max(1, sum(SHARE if name == HTTP else 1 for name in names))
    results = []
    for name in names:
        result = _serve(share * SHARE) if name == HTTP else _guide(name, share)
        results.append(result)
        sys.stdout.write(f"{_line(result)}\n")
        sys.stdout.flush()
    failed = [result.name for result in results if result.failed]
    if failed:
        sys.stderr.write(
            f"found something: {', '.join(failed)}\n"
            f"hint: the inputs are in {FOUND.relative_to(ROOT)}/; `pytest tests/fuzz` repeats them\n"
        )
    return 1 if failed else 0


def _guide(name: str, seconds: float) -> Result:
    """Run one target in a process of its own, which ends at the first input that fails."""
    kept, found = BUILD / name, FOUND / name
    for folder in (kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "tests.fuzz.guided", name, f"-max_total_time={seconds:.0f}",
        f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={found}/",
        "-print_final_stats=1", str(kept), str(SEEDS / name),
    ]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    took = time.monotonic() - began
    stats = [tuple(map(int, match.groups())) for match in _STATS.finditer(done.stderr)]
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode:
        sys.stderr.write(done.stderr[-4000:])
    if not any(found.iterdir()):
        found.rmdir()
    return Result(name, int(runs[1]) if runs else 0, stats[-1][0] if stats else 0, took, done.returncode != 0)


def _serve(seconds: float) -> Result:
    from tests.fuzz import http

    began = time.monotonic()
    cases, failed = http.fuzz(seconds)
    return Result(HTTP, cases, 0, time.monotonic() - began, failed)


def _line(result: Result) -> str:
    reached = f"{result.reached:>6} reached" if result.reached else " " * 14
    rate = result.runs / result.seconds
    told = "FAILED" if result.failed else "ok"
    return (
        f"{result.name:<15} {result.runs:>8} runs {rate:>7.0f}/s {reached} {result.seconds:>5.0f} s  {told}"
    )


if __name__ == "__main__":
    sys.exit(main())
