"""What a client sends: the body of a request, and the conversation Open WebUI sends back."""

import json
from typing import Any

from moakit.config import Config
from moakit.errors import MoaError
from moakit.events import CallFinished, Event, LayerStarted
from moakit.layers.base import Layer
from moakit.models import tokens
from moakit.observe.openwebui import Commentary
from moakit.prompts import compose
from moakit.prompts.turns import last_turn, without_tools
from moakit.server.openwebui.client import task_of
from moakit.server.openwebui.history import cleaned, without_decorations
from moakit.server.openwebui.tasks import model_for
from moakit.server.replies import encoded, failure_of
from moakit.server.requests import understand
from moakit.types import Prompt, Response
from tests.fuzz.source import as_json, made

CONFIG = Config(
    {
        "default": "panel",
        "providers": {"lab": {"base_url": "http://127.0.0.1:1/v1", "price": 0}},
        "ensembles": {
            "panel": {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead"},
            "deep": {
                "layers": [{"propose": ["lab/one"]}, {"residual": "lab/two"}, {"aggregate": "lab/lead"}]
            },
            "solo": {"model": "lab/lead"},
        },
        "server": {"passthrough": True},
    },
    source="a fuzzer",
    environ={},
)
KEYS = (
    "model", "messages", "role", "content", "type", "text", "image_url", "name", "tool_calls", "tool_call_id",
    "function", "function_call", "arguments", "id", "stream", "stream_options", "include_usage", "moa",
    "events", "proposers", "aggregator", "layers", "propose", "aggregate", "residual", "layer", "samples",
    "deadline", "timeout", "quorum", "minimum", "grace", "retries", "strict", "prompt", "instructions",
    "opening", "closing", "fallback", "extra", "temperature", "top_p", "max_tokens", "seed", "n", "tools",
    "system", "reasoning_effort", "multiturn", "base_url", "api_key", "headers", "on_no_references", "",
)  # fmt: skip
WORDS = (
    "lab/one", "lab/lead", "demo/planner", "evil/x", "groq/x", "panel", "deep", "solo", "user", "assistant",
    "system", "developer", "tool", "function", "text", "why", "moakit", "together", "answer", "best", "a",
    "1", '<details type="moa"', ">", "</details>", "<think>", "</think>", "### Task:", "JSON format:",
    "{mark}",
)  # fmt: skip
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "why"}]},
    {"role": "assistant", "content": "<think>hm</think>", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "42"},
    {"role": "user", "content": "and then?"},
]
CHANGES = {
    "events": True, "proposers": ["lab/one", {"model": "lab/two", "samples": 2}], "aggregator": "lab/lead",
    "layers": 3, "deadline": 20, "prompt": "together", "retries": 0,
}  # fmt: skip
BODIES: tuple[dict[str, Any], ...] = (
    {"model": "panel", "messages": CONVERSATION, "stream": True, "stream_options": {"include_usage": True}},
    {"model": "panel", "messages": CONVERSATION[-1:], "moa": CHANGES, "temperature": 0.5, "n": 1},
    {"model": "deep", "messages": CONVERSATION[:2], "moa": {"deadline": 9}, "max_tokens": 9, "seed": 1},
    {"model": "solo", "messages": CONVERSATION[1:2], "moa": CHANGES, "tools": [], "response_format": {}},
)
OURS = ('<details type="moa"', "</details>", "<think>", "</think>")


def requests(data: bytes) -> None:
    """A request: understood or refused with a 4xx; what was understood can be planned, composed and sent."""
    source = made(data)
    body = data if source is None else as_json(source.near(source.choose(BODIES), KEYS, WORDS))
    try:
        work = understand(body, CONFIG, overrides=True)
    except MoaError as error:
        failure = failure_of(error)
        assert failure.status in (400, 404), failure
        encoded(failure.body())
        return
    prompt = cleaned(work.prompt)
    task = task_of([], prompt, stream=work.stream, dialect=True)
    for layer in (work.ensemble, model_for(task or "title", work.ensemble, CONFIG)):
        _runnable(layer)
    _composed(prompt, work.ensemble)
    encoded(work.parameters)
    assert tokens.estimate_prompt(prompt) >= 0


def history(data: bytes) -> None:
    """A conversation that comes back: only our decorations go, and nobody else's words change."""
    source = made(data)
    text = data.decode("utf-8", "replace") if source is None else source.text([*OURS, "a", ">", "\n"])
    left = without_decorations(text)
    assert len(left) <= len(text) and _within(left, text)
    if not any(closing in text for closing in OURS[1::2]):
        assert left == text
    apart = "".join(text.split("<"))
    decorated = f'<details type="moa">{apart}</details>\n<think>{apart}</think>\n{apart.strip()}'
    assert without_decorations(decorated) == apart.strip()
    said: Prompt = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": text, "name": "x"},
        {"role": "assistant", "content": [{"type": "text", "text": text}, {"type": "image_url"}]},
        {"role": "tool", "content": text},
    ]
    found = cleaned(said)
    assert found[0] is said[0] and found[-1] is said[-1]
    assert [message["role"] for message in found].count("assistant") in (1, 2)


def shown(data: bytes) -> None:
    """What Open WebUI is shown of proposals, however hostile, is what is taken out when it comes back."""
    source = made(data)
    if source is None:
        *proposals, answer = data.decode("utf-8", "replace").split("|")
    else:
        words = [*OURS, "<DETAILS", "</details >", "<", "details", "&lt;", "\n", "a"]
        proposals = [source.text(words) for _ in range(source.number(4))]
        answer = source.text(["yes", "\n", "<", "</p>", "details"])
    answer = "".join(answer.split("<think>")).strip()
    if OURS[0] in answer:
        return
    commentary = Commentary(CONFIG["panel"], "details")
    said: list[Event] = [LayerStarted(run_id="r", path="0", at=0.0, name="Proposers")]
    said += [
        CallFinished(run_id="r", path=f"0.{place}", at=0.0, response=Response(text=text, model="lab/one"))
        for place, text in enumerate(proposals)
    ]
    notes = [note for event in said for note in commentary.on(event)]
    content = "".join(note.content for note in notes if note.kind == "content")
    assert content.count("<details") == content.count("</details>") == len(proposals)
    assert without_decorations(content + answer) == answer


def _runnable(layer: Layer) -> None:
    assert layer.shape(0) in (1, None)
    assert layer.plan().calls >= 1
    assert str(layer.summary()) and repr(layer)
    assert CONFIG.agent(layer.to_config()).to_config() == layer.to_config()


def _composed(prompt: Prompt, ensemble: Layer) -> None:
    before = json.dumps(prompt)
    for part in (prompt, last_turn(prompt), without_tools(prompt)):
        layout = ensemble.settings.prompt or "moakit"
        messages = compose(part, ["a", "<<<b"], system="s", layout=layout, seed="0123456789")
        encoded(messages)
    assert json.dumps(prompt) == before


def _within(part: str, text: str) -> bool:
    """Say whether the letters of a text stand in another, in their order."""
    letters = iter(text)
    return all(letter in letters for letter in part)
