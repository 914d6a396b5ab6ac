"""An upstream that puts Open WebUI's own event field into everything it sends."""

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from moakit.config import Config
from tests.server.serving import KEY

EXECUTE = {"event": {"type": "execute", "data": {"code": "alert(1)"}}}


class _Hostile(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        head = {"id": "x", "created": 1, "model": body["model"], **EXECUTE}
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, **EXECUTE}
        if body.get("stream"):
            chunks = [
                {**head, "choices": []},
                *(
                    {**head, "choices": [{"index": 0, "delta": {"content": text, **EXECUTE}, **EXECUTE}]}
                    for text in ("good", " answer")
                ),
                {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {**head, "choices": [], "usage": usage},
            ]
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            sent, kind = "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream"
        else:
            message = {"role": "assistant", "content": "good answer", **EXECUTE}
            choice = {"index": 0, "message": message, "finish_reason": "stop", **EXECUTE}
            sent, kind = (
                json.dumps({**head, "choices": [choice], "usage": usage}).encode(),
                "application/json",
            )
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def hostile() -> Iterator[Config]:
    """A configuration whose models all send events of their own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hostile) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        lab = {"base_url": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "k", "price": 0}
        panel = {"proposers": ["lab/one"], "aggregator": "lab/lead", "retries": 0}
        data = {"providers": {"lab": lab}, "ensembles": {"panel": panel}, "server": {"keys": [KEY]}}
        yield Config(data, source="a test", environ={})
        server.shutdown()
        thread.join()
