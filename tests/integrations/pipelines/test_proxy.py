"""Proxy: the plugin forwards to a running `moa serve`, with `requests` alone."""

import contextlib
import http.server
import json
import threading

import pytest

from tests.article import LEAD
from tests.integrations.pipelines.conftest import GROQ
from tests.integrations.pipelines.loading import FILES, run_without_moakit
from tests.server.serving import started

KEY = "server-key-7"


@pytest.fixture
def served(env, tmp_path):
    """A server over the article's `.env`, behind a key."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".env").write_text(env.env("GROQ"))
    config = """
[providers.lab]
base_url = "${LAB}"
api_key = "gsk_key1"
[ensembles.moa-groq]
proposers = ["lab/mixtral-8x7b-32768"]
aggregator = "lab/llama3-70b-8192"
retries = 0
[server]
keys = ["${MOA_SERVER_KEY}"]
"""
    (tmp_path / "home" / "moa.toml").write_text(config)
    with started(tmp_path / "home", LAB=env.upstreams[0].base_url, MOA_SERVER_KEY=KEY) as server:
        yield server


@pytest.fixture
def proxy(host, served):
    host.update_valves(GROQ, MODE="proxy", BASE_URL=served.base_url, API_KEY=KEY)
    return host


def test_chunks_and_events_come_through(proxy, chat, env):
    env.upstreams[0].behaves[LEAD] = "say:the_answer"
    answer = chat(temperature=0.3)
    assert answer.said() == "the answer"
    assert "mixtral" in answer.said("reasoning_content")
    assert answer.events("source") and answer.events("status")[-1]["done"]
    assert any("usage" in chunk for chunk in answer.chunks)
    (last,) = [call for call, _ in env.calls if call.model == LEAD]
    assert last.body["temperature"] == 0.3


def test_a_whole_answer_is_text(proxy, ask, env):
    env.upstreams[0].behaves[LEAD] = "say:the_answer"
    assert ask() == "the answer"


def test_a_title_costs_one_call(proxy, ask, env):
    assert ask("### Task:\nGenerate a title\n### Chat History:\nx")
    assert len(env.calls) == 1


def test_a_wrong_key_is_said_in_the_chat(proxy, chat, ask):
    proxy.update_valves(GROQ, API_KEY="wrong-key-9")
    assert "(401)" in chat().error
    assert "(401)" in ask()
    assert "wrong-key-9" not in ask()


def test_an_error_inside_the_stream_is_told_once(proxy, chat, env):
    env.upstreams[0].behaves[LEAD] = "tokens:5+error_in_stream:2"
    answer = chat()
    assert answer.said() == "w1 w2"
    assert LEAD in answer.error


def test_moakit_need_not_be_installed(served, env):
    env.upstreams[0].behaves[LEAD] = "say:the_answer"
    code = """
import importlib.util
spec = importlib.util.spec_from_file_location("plugin", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
plugin = module.Pipeline()
messages = [{"role": "user", "content": "why"}]
print(plugin.pipe("why", "moa-groq", messages, {"stream": False}))
plugin.valves = module.Pipeline.Valves(MODE="proxy", BASE_URL=sys.argv[2], API_KEY=sys.argv[3])
print(plugin.pipe("why", "moa-groq", messages, {"stream": False}))
"""
    said = run_without_moakit(code, str(FILES["groq"]), served.base_url, KEY)
    first, second = said.splitlines()
    assert "pip install moakit" in first
    assert second == "the answer"


@contextlib.contextmanager
def answering(body: bytes):
    """Another server, which answers everything with this."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_no_event_that_runs_code_is_relayed(host, chat):
    events = [{"type": "execute", "data": {"code": "alert(1)"}}, {"type": "status", "data": {"done": True}}]
    lines = [json.dumps({"choices": [], "event": event}) for event in events]
    with answering("".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()) as url:
        host.update_valves(GROQ, MODE="proxy", BASE_URL=url)
        answer = chat()
    assert answer.events("execute") == []
    assert answer.events("status") == [{"done": True}]


@pytest.mark.parametrize("body", [b"", b"<html>", b"data: {\n\n", b"data: []\n\n", b'data: {"event": 1}\n\n'])
def test_what_is_no_answer_is_an_error(host, chat, ask, body):
    with answering(body) as url:
        host.update_valves(GROQ, MODE="proxy", BASE_URL=url)
        assert "broke off" in chat().error or "cannot be read" in ask()
        assert "cannot be read" in ask()
