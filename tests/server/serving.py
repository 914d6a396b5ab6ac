"""A real `moa serve`, and plain HTTP to it for what the official client hides."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from moakit.server.health import Load
from tests.processes import MOA, surroundings

KEY = "server-key-42"


class Reply(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object, whose four fields are always there."""
        error = self.json["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return error


class Served:
    """A server's address, with its process where it has one, with its load and loop where it is here."""

    def __init__(
        self, port: int, process: subprocess.Popen[str] | None = None, load: Load | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:  # fmt: skip
        self.port = port
        self.process = process
        self.load = load
        self.loop = loop
        self.told: list[str] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def request(
        self, method: str, path: str, body: object = None, *, key: str | None = KEY, timeout: float = 20,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Make one request on a connection of its own."""
        sent = {"authorization": f"Bearer {key}"} if key is not None else {}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(self.connection(timeout)) as connection:
            connection.request(method, path, data, {**sent, **(headers or {})})
            return read(connection)

    def chat(self, model: str = "panel", text: str = "why", *, key: str | None = KEY, **fields: Any) -> Reply:
        """Ask a model."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.request("POST", "/v1/chat/completions", body, key=key)

    def connection(self, timeout: float = 20) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def stop(self, *, within: float = 10) -> int:
        """Ask the process to end and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)


def read(connection: http.client.HTTPConnection) -> Reply:
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())


@contextlib.contextmanager
def serving(folder: Path, toml: str, *arguments: str, **environ: str) -> Iterator[Served]:
    """Run `moa serve` on a free port; SIGTERM must end it with exit code 0 and without a traceback."""
    (folder / "moa.toml").write_text(toml)
    with started(folder, *arguments, **environ) as served:
        yield served


@contextlib.contextmanager
def started(folder: Path, *arguments: str, **environ: str) -> Iterator[Served]:
    """The same with what is in the folder already."""
    process = subprocess.Popen(
        [*MOA, "serve", "--port", "0", *arguments],
        cwd=folder,
        env=surroundings(folder, **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    served = Served(0, process)
    reader = threading.Thread(target=_listen, args=(process, served.told), daemon=True)
    reader.start()
    try:
        served.port = _announced(served, within=15)
        assert served.request("GET", "/readyz").status == 200
        yield served
        code = served.stop() if process.poll() is None else process.returncode
        reader.join(5)
        told = "".join(served.told)
        assert code == 0, told
        assert not re.search(r"Traceback|Exception|ERROR", told), told
        assert not any(value in told for name, value in environ.items() if "KEY" in name), told
        assert process.stdout is not None
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        reader.join(5)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _listen(process: subprocess.Popen[str], told: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        told += [line]


def _announced(served: Served, *, within: float) -> int:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if found := re.search(r"http://[\d.]+:(\d+)/v1", "".join(served.told)):
            return int(found[1])
        assert served.process is not None
        assert served.process.poll() is None, f"it ended: {served.told}"
        time.sleep(0.01)
    raise AssertionError(f"no address within {within:g} s: {served.told}")
