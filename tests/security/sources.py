"""The package's own source, as syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import moakit

ROOT = Path(moakit.__file__).parent


def trees(folder: str = "") -> Iterator[tuple[str, ast.Module]]:
    """Yield each file of the package, or of a folder of it, by its path."""
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    for file in found:
        yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield what a file imports, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
