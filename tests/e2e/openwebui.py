"""The real Open WebUI as a process, and its API as an administrator's browser uses it."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.processes import surroundings

VERSION = "0.12.4"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
VENV = CACHE / "moakit" / f"open-webui-{VERSION}"
NOWHERE = "http://127.0.0.1:1/v1"
OFFLINE = {
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WEBUI_AUTH": "False",
    "WEBUI_SECRET_KEY": "made-up",
    "ENABLE_OLLAMA_API": "False",
    "RAG_EMBEDDING_ENGINE": "openai",
    "RAG_OPENAI_API_BASE_URL": NOWHERE,
    "RAG_OPENAI_API_KEY": "made-up",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "True",
    "ENABLE_VERSION_UPDATE_CHECK": "False",
    "ENABLE_COMMUNITY_SHARING": "False",
    "ENABLE_EVALUATION_ARENA_MODELS": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "true",
}


class OpenWebUI:
    """A running Open WebUI with one administrator and no login."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.token = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Make one call of its API."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        assert response.status == 200, f"{method} {path}: {response.status} {text[:500]!r}"
        return json.loads(text)

    def sign_in(self) -> None:
        """Take the administrator's token, and dismiss what a first visit shows."""
        self.token = self.api("POST", "/api/v1/auths/signin", {"email": "", "password": ""})["token"]
        self.api("POST", "/api/v1/users/user/settings/update", {"ui": {"version": VERSION}})

    def connect(self, *base_urls: str, key: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Replace the OpenAI connections, as Admin Settings > Connections does."""
        configs = {
            str(number): {"enable": True, "headers": dict(headers or {})} for number in range(len(base_urls))
        }
        self.api(
            "POST",
            "/openai/config/update",
            {
                "ENABLE_OPENAI_API": True,
                "OPENAI_API_BASE_URLS": list(base_urls),
                "OPENAI_API_KEYS": [key] * len(base_urls),
                "OPENAI_API_CONFIGS": configs,
            },
        )
        self.models()

    def models(self) -> dict[str, Any]:
        """Read the models anew and return them by id."""
        return {entry["id"]: entry for entry in self.api("GET", "/api/models?refresh=true")["data"]}


@contextlib.contextmanager
def running(folder: Path, base_url: str, key: str) -> Iterator[OpenWebUI]:
    """Run Open WebUI on a fresh data folder with one plain connection; about 20 s until it is ready."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "open-webui.log"
    environ = surroundings(
        folder,
        **OFFLINE,
        DATA_DIR=str(folder / "data"),
        OPENAI_API_BASE_URLS=base_url,
        OPENAI_API_KEYS=key,
    )
    del environ["PYTHONPATH"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [VENV / "bin" / "open-webui", "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environ,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        site = OpenWebUI(port, log)
        try:
            _wait(site, process)
            site.sign_in()
            yield site
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(site: OpenWebUI, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        assert process.poll() is None, site.log.read_text(errors="replace")[-4000:]
        with contextlib.suppress(OSError, AssertionError, ValueError):
            site.api("GET", "/health")
            return
        time.sleep(0.2)
    raise AssertionError(f"Open WebUI did not start: {site.log.read_text(errors='replace')[-4000:]}")
