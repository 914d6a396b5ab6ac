"""The notebook as Jupyter runs it: from top to bottom, in a kernel of its own.

    python -m tests.docs.notebook            # write its outputs anew, on the demo models

With two names it reads the first and writes the second.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.docs.markdown import EXAMPLES, ROOT
from tests.docs.session import NOBODY, environment

NOTEBOOK = EXAMPLES / "moa.ipynb"
LONGEST = 300
"""Seconds that one cell may take."""


def read(path: Path) -> Any:
    """Return a notebook; raises when it is none."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def execute(source: Path, target: Path, environ: dict[str, str]) -> None:
    """Run a notebook in a process with this environment, its kernel in the target's folder."""
    environ = environ | {
        "JUPYTER_RUNTIME_DIR": str(target.parent / "runtime"),
        "IPYTHONDIR": str(target.parent),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.notebook", str(source), str(target)], cwd=ROOT, env=environ,
        check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", timeout=2 * LONGEST,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{source.name} did not run to its end:\n{done.stdout}")


def run(source: Path, target: Path) -> None:
    """Run every cell here and write the notebook, without what differs from one machine to another."""
    notebook = read(source)
    client = NotebookClient(
        notebook, timeout=LONGEST, kernel_name="python3", record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": str(target.parent)}},
    )  # fmt: skip
    client.execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, target)


def main() -> None:
    if sys.argv[1:]:
        run(*map(Path, sys.argv[1:]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = folder / NOTEBOOK.name
        execute(NOTEBOOK, target, environment(folder, folder, NOBODY))
        NOTEBOOK.write_bytes(target.read_bytes())
    sys.stdout.write(f"wrote: {os.path.relpath(NOTEBOOK)}\n")


if __name__ == "__main__":
    main()
