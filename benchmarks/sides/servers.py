"""How each server side is started."""

import shutil
import sys
from pathlib import Path

CONFIGURATION = """\
default = "panel"

[providers.bench]
base_url = "{base_url}"
api_key = "${{BENCH_API_KEY}}"

[ensembles.panel]
proposers = ["bench/a", "bench/b", "bench/c"]
aggregator = "bench/d"

[ensembles.paced]
proposers = ["bench/a", "bench/b", "bench/c"]
aggregator = "bench/paced"

[ensembles.slow]
proposers = ["bench/wait-0.5", "bench/wait-0.5", "bench/wait-0.5"]
aggregator = "bench/wait-0.5"

[ensembles.late]
proposers = ["bench/a", "bench/b", "bench/c"]
aggregator = "bench/first-0.1"
"""

SERVERS = ("raw", "starlette", "moakit")


def command(name: str, base_url: str, port: int, folder: Path) -> list[str]:
    """The command line of a server side; a side of its own folder's configuration."""
    if name != "moakit":
        return [sys.executable, "-m", f"benchmarks.sides.relay_{name}", base_url, str(port)]
    configuration = folder / "moa.toml"
    configuration.write_text(CONFIGURATION.format(base_url=base_url))
    return [*moa(), "serve", "--config", str(configuration), "--port", str(port)]


def moa() -> list[str]:
    """The `moa` command of this interpreter, installed or not."""
    installed = shutil.which("moa", path=str(Path(sys.executable).parent))
    return [installed] if installed else [sys.executable, "-c", "from moakit.cli import main; main()"]
