"""The Python of one page, as a notebook runs it: a process that executes one block after another.

Each line on standard input is a JSON object with `code`, `place` and `environ`; each line on standard output
is one with `out` and `error`. Blocks share a namespace and one event loop, and may `await`.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import sys
import traceback
from typing import Any, TextIO


def execute(code: str, place: str, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    compiled = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if compiled.co_flags & inspect.CO_COROUTINE:
        runner.run(eval(compiled, namespace))
    else:
        exec(compiled, namespace)


def answer(request: dict[str, Any], namespace: dict[str, Any], runner: asyncio.Runner) -> dict[str, str]:
    before = dict(os.environ)
    os.environ.update(request["environ"])
    out = io.StringIO()
    error = ""
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            execute(request["code"], request["place"], namespace, runner)
    except BaseException:  # noqa: BLE001  the page is told
        error = traceback.format_exc()
    os.environ.clear()
    os.environ.update(before)
    return {"out": out.getvalue(), "error": error}


def main(source: TextIO, sink: TextIO) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for line in source:
            sink.write(json.dumps(answer(json.loads(line), namespace, runner)) + "\n")
            sink.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
