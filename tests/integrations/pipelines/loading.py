"""Loads and calls a plugin as open-webui/pipelines does: by path, outside sys.modules, in worker threads."""

import asyncio
import contextvars
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pydantic

import moakit.integrations

HOME = Path(moakit.integrations.__file__).parent
FILES = {name: HOME / f"openwebui_pipeline_{name}.py" for name in ("groq", "ollama")}


def front_matter(text: str) -> dict[str, str]:
    """Return what stands between the first two triple quotes, when the file begins with them."""
    if not text.startswith('"""'):
        return {}
    lines = text[3 : text.find('"""', 3)].split("\n")
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def satisfied(requirement: str) -> None:
    """Accept a requirement in place of installing it: the project itself is under test."""
    assert requirement == "moakit"


class Pipelines:
    """The host: a folder of plugins, and the endpoints that are called."""

    def __init__(self, folder: Path, *, install: Callable[[str], None] = satisfied) -> None:
        self.folder = folder
        self.install = install
        self.plugins: dict[str, Any] = {}
        self.printed: list[str] = []

    def add(self, source: Path) -> None:
        """Put a file into the folder and load everything afresh, as `POST /pipelines/add` does."""
        shutil.copy(source, self.folder)
        self.reload()

    def reload(self) -> None:
        for plugin in self.plugins.values():
            asyncio.run(plugin.on_shutdown())
        self.plugins.clear()
        for file in sorted(self.folder.glob("*.py")):
            self._load(file)
        for plugin in self.plugins.values():
            asyncio.run(plugin.on_startup())

    def _load(self, file: Path) -> None:
        name, stored = file.stem, self.folder / file.stem / "valves.json"
        stored.parent.mkdir(exist_ok=True)
        if not stored.exists():
            stored.write_text("{}")
        try:
            content = file.read_text(encoding="ascii")  # the real one takes the machine's encoding
            for requirement in front_matter(content).get("requirements", "").split(","):
                if requirement.strip():
                    self.install(requirement.strip())
            spec = importlib.util.spec_from_file_location(name, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            plugin = module.Pipeline()
        except Exception as error:  # noqa: BLE001 - the host goes on without the plugin
            (self.folder / "failed").mkdir(exist_ok=True)
            file.rename(self.folder / "failed" / file.name)
            self.printed.append(str(error))
            return
        values = {**plugin.valves.model_dump(), **json.loads(stored.read_text())}
        plugin.valves = type(plugin.valves)(**values)
        self.plugins[name] = plugin

    @property
    def models(self) -> dict[str, str]:
        """The name of each model, by its id."""
        return {
            f"{module}.{entry['id']}": f"{plugin.name}{entry['name']}"
            for module, plugin in self.plugins.items()
            for entry in plugin.pipelines
        }

    def update_valves(self, module: str, **values: Any) -> None:
        """Set valves as the form does: all of them, kept on disk."""
        plugin = self.plugins[module]
        plugin.valves = type(plugin.valves)(**{**plugin.valves.model_dump(), **values})
        (self.folder / module / "valves.json").write_text(json.dumps(plugin.valves.model_dump()))
        asyncio.run(plugin.on_valves_updated())

    def call(self, model: str, body: dict[str, Any]) -> str | Iterator[str]:
        """Return the answer's text, or the lines of its stream; every step may be in another thread."""
        module, plain = model.split(".", 1)
        given = {"user_message": _last_user(body["messages"]), "model_id": plain, "body": body}
        with ThreadPoolExecutor(1) as pool:
            pipe = self.plugins[module].pipe
            result = pool.submit(pipe, messages=json.loads(json.dumps(body["messages"])), **given).result()
        self.printed.append(f"{result}")
        if not body["stream"]:
            if isinstance(result, str):
                return result
            return "".join(map(str, result)) if isinstance(result, Generator) else ""
        return _in_threads(_lines(result, model))


def _lines(result: Any, model: str) -> Iterator[str]:
    if isinstance(result, str):
        yield f"data: {json.dumps(_chunk(model, {'content': result}))}\n\n"
    if isinstance(result, Iterator):
        for given in result:
            line = given
            if isinstance(line, pydantic.BaseModel):
                line = f"data: {line.model_dump_json()}"
            elif isinstance(line, dict):
                line = f"data: {json.dumps(line)}"
            if not (isinstance(line, str) and line.startswith("data:")):
                line = f"data: {json.dumps(_chunk(model, {'content': line}))}"
            yield f"{line}\n\n"
    if isinstance(result, str | Generator):
        yield f"data: {json.dumps(_chunk(model, {}, 'stop'))}\n\n"
        yield "data: [DONE]"


def _in_threads(lines: Iterator[str]) -> Iterator[str]:
    """Take each line in a thread and context of its own, as Starlette iterates a synchronous body."""
    try:
        while True:
            with ThreadPoolExecutor(1) as pool:
                line = pool.submit(contextvars.Context().run, next, lines, None).result()
            if line is None:
                return
            yield line
    finally:
        lines.close()


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": model, "object": "chat.completion.chunk", "model": model, "choices": [choice]}


def _last_user(messages: list[dict[str, Any]]) -> Any:
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            if not isinstance(content, list):
                return content
            return next((part["text"] for part in content if part["type"] == "text"), content)
    return None


class Chat:
    """A stream, read to its end."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = list(lines)
        assert self.lines[-1] == "data: [DONE]"
        self.chunks = [json.loads(line.removeprefix("data:")) for line in self.lines[:-1]]
        assert all("choices" in chunk for chunk in self.chunks)

    def said(self, field: str = "content") -> str:
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        return "".join(choice["delta"].get(field) or "" for choice in choices)

    def events(self, kind: str) -> list[dict[str, Any]]:
        events = [chunk["event"] for chunk in self.chunks if "event" in chunk]
        return [event["data"] for event in events if event["type"] == kind]

    @property
    def error(self) -> str:
        (error,) = [chunk["error"]["message"] for chunk in self.chunks if "error" in chunk]
        return error


def run_without_moakit(code: str, *arguments: str) -> str:
    """Run code in an interpreter where moakit cannot be imported."""
    blocked = "import sys; sys.modules['moakit'] = None\n"
    command = [sys.executable, "-c", blocked + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
