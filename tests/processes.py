"""`moa` as a process of its own, away from the keys, the files and the servers of whoever runs the tests."""

import os
import subprocess
import sys
from pathlib import Path

import moakit

MOA = [sys.executable, "-W", "error", "-c", "from moakit.cli import main; main()"]
NOWHERE = "http://127.0.0.1:1/v1"
"""An address where nothing listens."""
LOCAL = {
    "OLLAMA_HOST": "127.0.0.1:1",
    "LMSTUDIO_BASE_URL": NOWHERE,
    "LLAMACPP_BASE_URL": NOWHERE,
    "VLLM_BASE_URL": NOWHERE,
}
"""What keeps the discovery from finding a server that happens to run here."""
KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL")


def surroundings(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that finds nothing but what a test gives it."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    source = str(Path(moakit.__file__).parents[1])
    home_ = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "APPDATA": str(home)}
    return kept | home_ | LOCAL | {"PYTHONPATH": source} | more


def moa(
    *arguments: str, home: Path, stdin: str | bytes | None = None, timeout: float = 30, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run `moa` in a folder to its end; it must never end in a traceback."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*MOA, *arguments],
        cwd=home,
        env=surroundings(home, **environ),
        input=b"" if given is None else given,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)
