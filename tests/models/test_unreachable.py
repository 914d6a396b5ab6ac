"""Servers that cannot be reached, each a typed error that says why."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import pytest_asyncio

from moakit.errors import BadResponse, ConnectionFailed, ModelTimeout
from tests.models.scripted import Scripted, answer
from tests.models.wire import ask, model_on


class Nowhere:
    """A server by its address alone."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url


@pytest.fixture
def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_a_closed_port(closed_port, streamed):
    with pytest.raises(ConnectionFailed, match=f"cannot reach http://127.0.0.1:{closed_port}/v1") as caught:
        await ask(model_on(Nowhere(f"http://127.0.0.1:{closed_port}/v1"), "m"), streamed=streamed)
    assert (caught.value.hint, caught.value.reused) == ("is the server running?", False)
    assert caught.value.model == "lab/m"


async def test_a_name_that_does_not_resolve(monkeypatch):
    async def unknown(*args, **settings):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown, raising=False)
    with pytest.raises(ConnectionFailed, match="Name or service not known") as caught:
        await ask(model_on(Nowhere("http://nowhere.invalid/v1"), "m"))
    assert (
        caught.value.hint == "is there an internet connection? check the host name in base_url"
        and not caught.value.reused
    )


async def test_a_name_that_takes_too_long_to_resolve(monkeypatch):
    async def slow(*args, **settings):
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", slow, raising=False)
    async with asyncio.timeout(5):
        with pytest.raises(ModelTimeout, match=r"within 0\.1 s") as caught:
            await ask(model_on(Nowhere("http://nowhere.invalid/v1"), "m", connect=0.1))
    assert caught.value.timer == "connect"


@pytest_asyncio.fixture
async def plain():
    """A server without TLS, which says what it is told to, if anything, to whoever says something."""
    said = []

    async def serve(reader, writer):
        await reader.read(100)
        writer.writelines(said)
        if not said:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        place = Nowhere(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        place.says = said.append
        yield place


async def test_a_server_that_does_not_take_up_the_connection(plain):
    async with asyncio.timeout(5):
        with pytest.raises(ModelTimeout) as caught:
            await ask(model_on(plain, "m", connect=0.1))
    assert caught.value.timer == "connect"


async def test_a_certificate_that_nobody_signed():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(Path(__file__).with_name("self-signed.pem"))
    async with Scripted(answer(b"{}"), tls=tls) as server:
        with pytest.raises(ConnectionFailed, match="self-signed certificate") as caught:
            await ask(model_on(server, "m"))
    assert caught.value.hint == "check the address and its certificate" and not server.requests


async def test_a_server_that_speaks_no_tls(plain):
    plain.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ConnectionFailed) as caught:
        await ask(model_on(plain, "m"))
    assert caught.value.hint == "check the address and its certificate"


async def test_a_server_that_speaks_no_http():
    async with Scripted(b"220 mail.example.org ESMTP\r\n\r\n", ends=True) as server:
        with pytest.raises(BadResponse, match="the answer cannot be read"):
            await ask(model_on(server, "m"))


async def test_a_password_in_the_address_is_not_shown(closed_port):
    place = Nowhere(f"http://user:hunter2@127.0.0.1:{closed_port}/v1")
    with pytest.raises(ConnectionFailed) as caught:
        await ask(model_on(place, "m", api_key=None))
    assert "hunter2" not in str(caught.value) and "***@127.0.0.1" in str(caught.value)


async def test_a_password_beside_a_key_is_refused_once_and_not_shown(closed_port):
    place = Nowhere(f"http://user:hunter2@127.0.0.1:{closed_port}/v1")
    with pytest.raises(BadResponse, match="cannot be sent") as caught:
        await ask(model_on(place, "m"))
    assert "hunter2" not in str(caught.value) and caught.value.should_retry is False


async def test_a_server_that_closes_before_the_headers(up, streamed):
    for name in ("close", "reset"):
        with pytest.raises(ConnectionFailed):
            await ask(model_on(up, name), streamed=streamed)
