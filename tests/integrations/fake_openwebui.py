"""The routes of Open WebUI 0.12.4 that set it up, over a state that a test can look at."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

TOKEN = "sk-admin"


class FakeOpenWebUI:
    """What it has been told."""

    def __init__(self) -> None:
        self.url = ""
        self.config: dict[str, Any] = {
            "ENABLE_OPENAI_API": True,
            "OPENAI_API_BASE_URLS": ["https://api.openai.com/v1"],
            "OPENAI_API_KEYS": ["sk-theirs"],
            "OPENAI_API_CONFIGS": {"0": {"enable": True, "tags": ["x"]}},
        }
        self.functions: dict[str, dict[str, Any]] = {}
        self.valves: dict[str, Any] = {}
        self.writes: list[str] = []
        self.reaches_us = True

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "POST" and path != "/openai/verify":
            self.writes.append(path)
        if path.startswith("/openai/"):
            return self._openai(path, body)
        if path == "/api/v1/functions/":
            return 200, [
                {key: one[key] for key in ("id", "name", "is_active")} for one in self.functions.values()
            ]
        if path == "/api/v1/functions/create":
            if body["id"] in self.functions:
                return 400, {"detail": "Uh-oh! This id is already registered."}
            self.functions[body["id"]] = {**body, "is_active": False}
            return 200, self.functions[body["id"]]
        _, _, rest = path.partition("/api/v1/functions/id/")
        name, _, action = rest.partition("/")
        if name not in self.functions:
            return 401, {"detail": "We could not find what you're looking for :/"}
        return self._function(self.functions[name], action, body)

    def _openai(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/openai/config":
            return 200, self.config
        if path == "/openai/config/update":
            assert set(body) == set(self.config)
            assert len(body["OPENAI_API_KEYS"]) == len(body["OPENAI_API_BASE_URLS"])
            self.config = body
            return 200, body
        assert path == "/openai/verify"
        if self.reaches_us:
            return 200, {"object": "list", "data": []}
        return 500, {"detail": "Open WebUI: Server Connection Error"}

    def _function(self, function: dict[str, Any], action: str, body: Any) -> tuple[int, Any]:
        if action == "toggle":
            function["is_active"] = not function["is_active"]
        elif action == "update":
            function.update(body)
        elif action == "valves":
            return 200, self.valves or None
        elif action == "valves/update":
            self.valves = body
            return 200, body
        return 200, function


@contextlib.contextmanager
def running() -> Iterator[FakeOpenWebUI]:
    """Run one on a port of its own."""
    fake = FakeOpenWebUI()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            data = self.rfile.read(length)
            if self.path.startswith("/elsewhere/"):
                self.send_response(302)
                self.send_header("location", "http://other.example/")
                self.end_headers()
                return
            status, answer = 401, {"detail": "Not authenticated"}
            if self.headers["authorization"] == f"Bearer {TOKEN}":
                status, answer = fake.answer(self.command, self.path, json.loads(data) if data else None)
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(sent)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_port}"
        yield fake
        server.shutdown()
        thread.join()
