"""Without a configuration: an ensemble over the keys and servers that are there, else the demo models."""

import contextlib
import socket
import threading
import time

import pytest

import moakit
from moakit.config.discovery import by_size, ensemble_over
from tests.upstream import Upstream

BOUND = 4 * 0.25
"""Seconds the whole discovery may take: four times what it is when nothing else runs."""


@pytest.fixture
def up():
    with Upstream.in_thread() as upstream:
        yield upstream


def host(up):
    return f"127.0.0.1:{up.port}"


@contextlib.contextmanager
def answering(reply):
    """A server on a free port that sends the same bytes to everyone, or with None never any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    held.append(connection)
                    if reply is not None:
                        connection.recv(65536)
                        connection.sendall(reply)
                        connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(2)
        for connection in held:
            connection.close()


def whole(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()


def nothing(config):
    return list(config) == ["moa-demo"] and config.default == "moa-demo"


def test_with_nothing_at_all_it_is_the_demo_models_and_says_so():
    config = moakit.load()
    assert nothing(config) and config.source == "discovery"
    assert "no key and no local server was found" in config.notes[-1]
    assert all(model.startswith("demo/") for model in models(config["moa-demo"]))


def models(ensemble):
    return [layer.model for _, layer in ensemble.named_layers() if hasattr(layer, "model")]


def test_a_local_server_is_found_and_its_largest_model_aggregates(up, monkeypatch):
    up.models = ["gemma3:4b", "llama3.3:70b", "qwen2.5:7b", "nomic-embed-text", "phi4:14b"]
    monkeypatch.setenv("OLLAMA_HOST", host(up))
    config = moakit.load()
    assert list(config) == ["moa"] and config.default == "moa"
    assert config.notes == [f"ollama: 4 models at http://{host(up)}/v1"]
    assert models(config["moa"]) == [
        "ollama/gemma3:4b", "ollama/qwen2.5:7b", "ollama/phi4:14b", "ollama/llama3.3:70b",
    ]  # fmt: skip


def test_what_is_found_answers(up, monkeypatch):
    up.models = ["a:1b", "b:2b", "c:3b"]
    monkeypatch.setenv("OLLAMA_HOST", host(up))
    answer = moakit.load()["moa"]("why")
    assert answer.text.startswith("c:3b #1") and answer.cost == 0
    assert sorted(call.model for call in up.calls if call.method == "POST") == ["a:1b", "b:2b", "c:3b"]


def test_a_single_model_proposes_several_times(up, monkeypatch):
    up.models = ["gemma3:4b"]
    monkeypatch.setenv("OLLAMA_HOST", host(up))
    ensemble = moakit.load()["moa"]
    assert ensemble.summary().calls == 4 and set(models(ensemble)) == {"ollama/gemma3:4b"}


@pytest.mark.parametrize("name", ["LMSTUDIO_BASE_URL", "LLAMACPP_BASE_URL", "VLLM_BASE_URL"])
def test_the_other_local_servers_are_found_too(up, monkeypatch, name):
    monkeypatch.setenv(name, up.base_url)
    assert set(models(moakit.load()["moa"])) == {
        f"{name.partition('_')[0].lower()}/{model}" for model in ("alpha", "beta", "gamma", "large")
    }


def test_keys_and_local_servers_take_turns(up, monkeypatch, folder):
    up.models = ["small:1b", "large:9b"]
    monkeypatch.setenv("OLLAMA_HOST", host(up))
    (folder / ".env").write_text("GROQ_API_KEY=gsk_1\n")
    config = moakit.load()
    assert config.notes == ["groq: GROQ_API_KEY is set", f"ollama: 2 models at http://{host(up)}/v1"]
    proposers = models(config["moa"].proposers)
    assert {name.partition("/")[0] for name in proposers} == {"groq", "ollama"} and len(proposers) == 3
    assert models(config["moa"].aggregator)[0].startswith("groq/")


def test_an_empty_key_is_no_key(monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "")
    assert nothing(moakit.load())


IGNORED = {
    "a page": whole("<html><h1>It works!</h1></html>"),
    "other JSON": whole('{"status": "ok"}'),
    "a list of numbers": whole('{"data": [1, 2]}'),
    "a list without names": whole('{"data": [{"object": "model"}]}'),
    "no list": whole('{"data": "model"}'),
    "an empty list": whole('{"data": []}'),
    "null": whole("null"),
    "only embeddings": whole('{"data": [{"id": "nomic-embed-text"}]}'),
    "our own server": whole('{"data": [{"id": "panel", "owned_by": "moakit"}]}'),
    "a 404": whole('{"data": [{"id": "a"}]}', "404 Not Found"),
    "a redirect": whole("", "302 Found\r\nlocation: http://127.0.0.1:1/v1/models"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
    "bytes": whole("").replace(b"length: 0", b"length: 4") + b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("reply", IGNORED.values(), ids=IGNORED)
def test_what_does_not_list_models_is_ignored(monkeypatch, reply):
    with answering(reply) as address:
        monkeypatch.setenv("OLLAMA_HOST", address)
        assert nothing(moakit.load())


def test_servers_that_never_answer_cost_a_quarter_of_a_second_together(monkeypatch):
    moakit.load()  # what is imported once is not counted
    with answering(None) as address:
        monkeypatch.setenv("OLLAMA_HOST", address)
        for name in ("LMSTUDIO_BASE_URL", "LLAMACPP_BASE_URL", "VLLM_BASE_URL"):
            monkeypatch.setenv(name, f"http://{address}/v1")
        began = time.monotonic()
        assert nothing(moakit.load())
        assert time.monotonic() - began < BOUND


def test_a_server_that_answers_is_found_beside_one_that_never_does(up, monkeypatch):
    with answering(None) as address:
        monkeypatch.setenv("OLLAMA_HOST", address)
        monkeypatch.setenv("VLLM_BASE_URL", up.base_url)
        assert list(moakit.load()) == ["moa"]


def test_an_address_that_is_none_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://[not-an-address")
    with pytest.raises(moakit.ConfigError, match=r"provider 'ollama': base_url .* is not an"):
        moakit.load()


def test_one_server_under_two_names_is_used_once(up, monkeypatch):
    monkeypatch.setenv("LLAMACPP_BASE_URL", up.base_url)
    monkeypatch.setenv("VLLM_BASE_URL", up.base_url.replace("127.0.0.1", "localhost"))
    assert {name.partition("/")[0] for name in models(moakit.load()["moa"])} == {"llamacpp"}


def test_sizes_in_names_decide_and_unknown_ones_come_first():
    assert by_size(["x-70b", "y:1.5b", "z", "w-8B-it"]) == ["z", "y:1.5b", "w-8B-it", "x-70b"]


def test_three_proposers_are_taken_from_all_in_turn():
    made = ensemble_over([("a", ["a1", "a2", "a3"]), ("b", ["b1", "b2"])])
    assert made["proposers"] == ["a/a1", "b/b1", "a/a2"] and made["aggregator"] == "a/a3"
