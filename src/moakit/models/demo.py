"""The demo models: in-process, deterministic, without any intelligence.

They are not language models. They let layers, streaming, failures and screens be tried without a key: each
has a voice and a pace of its own, `demo/editor` merges the references it is given, `demo/judge` fills in
the form it is asked for as if the longest were the best, `demo/broken` always fails, `demo/cut` breaks off in
the middle and `demo/slow` takes a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from moakit.errors import BadResponse, UnknownModel
from moakit.models.base import Listener, Reply
from moakit.models.providers import DEMO, Endpoint
from moakit.types import Message, Usage, text_of

VOICES: Mapping[str, tuple[str, ...]] = {
    "planner": (
        (
            "Break “{topic}” into parts: what is given, what is asked, and what would settle it. Take the "
            "parts in that order and check each one before the next."
        ),
        (
            "For “{topic}” I would begin with the goal, list two or three options, and compare them on "
            "cost and on how easily each can be undone. The reversible option is the one to try first."
        ),
    ),
    "skeptic": (
        (
            "Before answering “{topic}”, ask what would prove the obvious answer wrong. Most quick replies "
            "rest on an assumption that nobody has checked."
        ),
        (
            "The usual answer to “{topic}” is too tidy. Look for the counter-example, and for who gains if "
            "it is believed."
        ),
    ),
    "storyteller": (
        (
            "Picture “{topic}” as a room with several doors. Each door shows the same room from another "
            "side, and the good answer is the one that still makes sense from all of them."
        ),
        (
            "Someone once asked exactly this: “{topic}”. The answer that stayed with them was not the "
            "cleverest one but the one they could use the next morning."
        ),
    ),
    "tinkerer": (
        (
            "I would try “{topic}” on the smallest case that can fail, watch what happens, and change one "
            "thing at a time. Ten minutes of that beat an hour of argument."
        ),
        (
            "“{topic}” has parts that can be built and parts that can only be talked about. Build the "
            "first ones roughly today and see which of the others still matter."
        ),
    ),
    "judge": ("There is nothing to judge: a judge is asked by a layer.",),
    "editor": ("On “{topic}”: there are no references to merge, so this is all a demo model can say.",),
}
LABEL = "[demo model, not a language model]"
PACE: Mapping[str, tuple[float, float]] = {
    "planner": (0.5, 0.018),
    "skeptic": (0.8, 0.022),
    "storyteller": (1.1, 0.02),
    "tinkerer": (0.6, 0.024),
    "judge": (0.3, 0.02),
    "editor": (0.35, 0.035),
    "cut": (0.3, 0.02),
}
"""Seconds before the first token, and for each token."""
NAMES = (*VOICES, "broken", "cut", "slow")

_FENCED = re.compile(r"<<<\w+ (?:reference \d+|response [A-Z]+)>>>\n(.*?)(?=\n<<<\w+ )", re.DOTALL)
_NUMBERED = re.compile(r"^\d+\. (.+?)(?=^\d+\. |\Z)", re.DOTALL | re.MULTILINE)
_FORM = re.compile(r'\{"[^{}]*\}')
_RANKING = re.compile(r'\["B",[^]]*\]')
_PLACEHOLDER = re.compile(r"\bN\b")
_TOPIC = 60


class DemoModel:
    """One demo model; `pace` scales its delays, and 0 answers at once.

    >>> DemoModel("planner").name
    'demo/planner'
    """

    __slots__ = ("model", "name", "pace")

    endpoint: Endpoint | None = None

    def __init__(self, model: str, *, pace: float = 1.0) -> None:
        if model not in NAMES:
            raise UnknownModel("demo model", model, NAMES, hint=f"there are: {', '.join(NAMES)}")
        self.model = model
        self.name = f"{DEMO}/{model}"
        self.pace = pace

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    async def respond(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], listener: Listener | None = None
    ) -> Reply:
        """Answer in this model's voice; `max_tokens` is honoured, other parameters change nothing."""
        first, each = PACE.get(self.model, (60.0, 0.02))
        if self.model == "broken":
            await asyncio.sleep(0.2 * self.pace)
            raise BadResponse(
                "HTTP 500: demo/broken always fails", model=self.name, status=500, should_retry=False
            )
        words = re.findall(r"\S+\s*", self._text(messages))
        limit = parameters.get("max_tokens")
        cut = isinstance(limit, int) and limit < len(words)
        words = words[:limit] if cut else words
        if self.model == "cut":
            words = words[: len(words) // 2]
        await asyncio.sleep(first * self.pace)
        if listener is None:
            await asyncio.sleep(each * self.pace * len(words))
        else:
            for word in words:
                listener(word)
                await asyncio.sleep(each * self.pace)
                if listener.full:
                    await listener.drain()
        if self.model == "cut":
            raise BadResponse("demo/cut always breaks off", model=self.name, should_retry=False)
        prompt = sum(len(text_of(message).split()) for message in messages)
        usage = Usage(prompt, len(words), prompt + len(words))
        return Reply(text="".join(words), finish_reason="length" if cut else "stop", usage=usage, cost=0.0)

    def _text(self, messages: Sequence[Message]) -> str:
        """Return what it says; an answer that another model began is continued."""
        text, last = self._whole(messages), messages[-1]
        if last.get("role") != "assistant":
            return text
        begun = text_of(last)
        # One label is enough for what two of them have said.
        return text.removeprefix(begun if text.startswith(begun) else LABEL if LABEL in begun else "")

    def _whole(self, messages: Sequence[Message]) -> str:
        question = next((text_of(m) for m in reversed(messages) if m.get("role") == "user"), "")
        system = text_of(messages[0]) if messages[0].get("role") == "system" else ""
        references = _FENCED.findall(question) or _NUMBERED.findall(
            system.rpartition("Responses from models:")[2]
        )
        topic = " ".join(re.split(r"\n\n(?:References|The response) follows?,", question)[0].split())
        topic = topic if len(topic) <= _TOPIC else topic[: _TOPIC - 1] + "…"
        if self.model == "editor" and references:
            return _merged(topic, references)
        if self.model == "judge" and (forms := _FORM.findall(question)):
            return f"{LABEL} {_filled_in(forms[-1], references)}"
        voices = VOICES.get(self.model, VOICES["planner"])
        choice = hashlib.sha256("|".join([topic, *references]).encode()).digest()[0] % len(voices)
        seen = f" (I have read {_count(references)}.)" if references else ""
        return f"{LABEL} {voices[choice].format(topic=topic)}{seen}"


def _merged(topic: str, references: Sequence[str]) -> str:
    lines = [f"{LABEL} {_count(references)} on “{topic}”, merged:\n"]
    for reference in references:
        text = reference.replace(LABEL, "").strip()
        sentence = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
        lines.append(f"- {sentence}")
    lines.append("\nA real aggregator would weigh these against each other and write one answer.")
    return "\n".join(lines)


def _filled_in(form: str, references: Sequence[str]) -> str:
    """Return a form filled in: a number for each N, letters for a ranking, a text in an empty list.

    The number is the longest reference's, or a score for each; the ranking begins with the longest.
    """
    lengths = [len(reference) for reference in references] or [1]
    if _RANKING.search(form):
        ranked = sorted(range(len(lengths)), key=lambda place: -lengths[place])
        return _RANKING.sub(json.dumps([chr(ord("A") + place) for place in ranked]), form)
    if "[]" in form:
        return form.replace("[]", json.dumps([f"There are {_count(references)} here."]), 1)
    longest = max(lengths)
    if len(_PLACEHOLDER.findall(form)) == 1:
        return _PLACEHOLDER.sub(str(lengths.index(longest) + 1), form)
    scores = iter([10 * length // longest for length in lengths])
    return _PLACEHOLDER.sub(lambda _: str(next(scores, 0)), form)


def _count(references: Sequence[str]) -> str:
    return "1 reference" if len(references) == 1 else f"{len(references)} references"
