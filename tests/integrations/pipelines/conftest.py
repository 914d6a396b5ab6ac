"""The host with both plugins, in a folder with the article's `.env`."""

from collections.abc import Callable, Iterator

import pytest

from tests.article import Article, article
from tests.integrations.pipelines.loading import FILES, Chat, Pipelines

GROQ = "openwebui_pipeline_groq"
MODEL = f"{GROQ}.moa-groq"


@pytest.fixture(scope="session")
def _article() -> Iterator[Article]:
    with article() as found:
        yield found


@pytest.fixture
def env(_article, tmp_path, monkeypatch) -> Iterator[Article]:
    """The article's upstreams, with no calls and no faults yet, and its `.env` where the host runs."""
    for upstream in _article.upstreams:
        upstream.behaves.clear()
    _article.reset()
    (tmp_path / ".env").write_text(_article.env("GROQ"))
    monkeypatch.chdir(tmp_path)
    yield _article
    for upstream in _article.upstreams:
        upstream.wait_idle()


@pytest.fixture
def host(env, tmp_path) -> Pipelines:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    host = Pipelines(folder)
    for file in FILES.values():
        host.add(file)
    return host


@pytest.fixture
def ask(host) -> Callable[..., str]:
    """Asks for a whole answer."""

    def ask(text="why", *, model=MODEL, messages=None, **fields):
        messages = messages or [{"role": "user", "content": text}]
        user = {"name": "Ada", "id": "1", "email": "ada@example.org", "role": "user"}
        return host.call(
            model, {"model": model, "stream": False, "messages": messages, "user": user, **fields}
        )

    return ask


@pytest.fixture
def chat(host) -> Callable[..., Chat]:
    """Reads a streamed chat to its end."""

    def chat(text="why", *, model=MODEL, messages=None, **fields):
        messages = messages or [{"role": "user", "content": text}]
        return Chat(host.call(model, {"model": model, "stream": True, "messages": messages, **fields}))

    return chat
