"""`moa doctor`: whether what is configured works, without a call that costs anything."""

import contextlib
import socket
import threading

import pytest

from tests.processes import moa


def lines(done):
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_everything_is_well(up, home):
    done = moa("doctor", home=home)
    assert done.returncode == 0
    found = lines(done)
    assert found[0].startswith("✓ moakit ")
    assert found[1] == "✓ configuration: moa.toml; ensembles: panel, solo, deep"
    assert found[2].startswith(f"✓ lab at {up.base_url}: 3 models in ") and len(found) == 3
    assert [call.method for call in up.calls] == ["GET"]


def test_a_wrong_key_is_found(up, home):
    (home / ".env").write_text("LAB_KEY=wrong-key-1\n")
    done = moa("doctor", home=home)
    assert done.returncode == 1
    assert lines(done)[-2:] == [f"✗ lab at {up.base_url}: HTTP 401", "  hint: check its key"]
    assert "wrong-key-1" not in done.stdout


def test_a_model_that_is_not_listed_is_found(up, home):
    up.models = ["one", "lead"]
    done = moa("doctor", home=home)
    assert done.returncode == 1 and lines(done)[-2] == "✗ lab does not list 'two'"
    assert "`moa models --all`" in done.stdout


def test_ollamas_latest_tag_need_not_be_written(up, home):
    up.models = ["one:latest", "two:latest", "lead"]
    assert moa("doctor", home=home).returncode == 0


def test_a_server_that_is_not_there_is_found(up, home):
    text = (home / "moa.toml").read_text().replace(up.base_url, "http://127.0.0.1:1/v1")
    (home / "moa.toml").write_text(text)
    done = moa("doctor", home=home)
    assert done.returncode == 1
    assert "✗ lab at http://127.0.0.1:1/v1: " in done.stdout
    assert lines(done)[-1] == "  hint: is the server running, and the address right?"


@contextlib.contextmanager
def answering(reply):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(2)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
    ],
)
def test_a_server_that_is_something_else_is_found(up, home, reply):
    with answering(reply) as url:
        (home / "moa.toml").write_text((home / "moa.toml").read_text().replace(up.base_url, url))
        done = moa("doctor", home=home)
    assert done.returncode == 1 and f"✗ lab at {url}: " in done.stdout and "hint: " in done.stdout


def test_a_password_in_an_address_is_not_shown(up, home):
    text = (home / "moa.toml").read_text().replace("http://", "http://mina:hunter2@")
    (home / "moa.toml").write_text(text)
    for arguments in (["doctor"], ["models", "--all"], ["show", "--json"], ["ask", "why"]):
        done = moa(*arguments, home=home)
        assert "hunter2" not in done.stdout + done.stderr, arguments


def test_a_missing_key_is_found_and_the_others_are_checked_all_the_same(up, home):
    text = (home / "moa.toml").read_text()
    (home / "moa.toml").write_text(f'[ensembles.first]\nmodel = "groq/llama"\n{text.replace("default", "#")}')
    done = moa("doctor", home=home)
    assert done.returncode == 1
    assert "✗ groq: there is no key\n  hint: set GROQ_API_KEY in the environment or in .env\n" in done.stdout
    assert f"✓ lab at {up.base_url}" in done.stdout


def test_a_broken_configuration_is_found(home):
    (home / "moa.toml").write_text("[server]\nprot = 1\n")
    done = moa("doctor", home=home)
    assert done.returncode == 1
    assert lines(done)[-2:] == ["✗ moa.toml: unknown key server.prot", "  hint: did you mean 'port'?"]


def test_a_literal_key_is_noted(up, home):
    (home / "moa.toml").write_text((home / "moa.toml").read_text().replace("${LAB_KEY}", "lab-key-1"))
    done = moa("doctor", home=home)
    assert done.returncode == 0
    assert "· providers.lab.api_key is written in the file; ${VARIABLE} keeps it out" in done.stdout
    assert "lab-key-1" not in done.stdout + done.stderr


def test_with_nothing_to_check_the_demo_models_are_well(tmp_path):
    done = moa("doctor", home=tmp_path)
    assert done.returncode == 0 and "configuration: discovery; ensembles: moa-demo" in done.stdout
