"""Asking a judge and reading its verdict.

A judge is an agent that is asked for a small JSON object. How it writes the object does not matter (in a
code fence, in the middle of prose, in single quotes); what it says does: a place that does not exist, a
number that is none, a missing key are no verdict.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from moakit.errors import ConfigError, MoaError, UserError
from moakit.events import Judged
from moakit.layers.agent import Agent
from moakit.layers.base import Layer
from moakit.layers.side_by_side import SHARE
from moakit.models.base import Model
from moakit.prompts import last_turn, without_tools
from moakit.prompts.fences import fence, mark_for
from moakit.run.scope import Run
from moakit.types import Message, Prompt, Response, text_of

T = TypeVar("T")
Verdict: TypeAlias = Mapping[str, Any]
"""What a judge said: a JSON object."""

LOOKED_AT = 20_000
"""How many characters at the end of a reply are searched for a verdict."""
STARTS = 100
"""How many braces are tried as the beginning of one."""

_QUOTED = re.compile(r"""(?<=[{\[,:\s])'([^'"\\]*)'(?=\s*[,:}\]])""")
_FLAT = re.compile(r'\{[^{}"\\]*\}')
_WHOLE = re.compile(r"[-+]?\d{1,9}")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge is asked about a conversation: a layout, as `Template` is one for agents that answer.

    `instructions` come first and are the same in every run, then the conversation as text, then the
    references, then `closing`, which says what the JSON object must be. All that a judge reads is fenced: it
    is asked about a conversation, and takes no part in it.
    """

    instructions: str
    closing: str

    def __call__(self, messages: Sequence[Message], references: Sequence[str], seed: str) -> list[Message]:
        """Return the messages for the judge; `seed` is the run's id."""
        told = [f"[{message.get('role')}]\n{_told(message)}" for message in messages]
        # The conversation's own mark is the same in the next turn, so that what was cached is found again.
        first = hashlib.sha256(told[0].encode("utf-8", "replace")).hexdigest() if told else ""
        said = mark_for(first, [*told, *references])
        parts = [f"<<<{said} conversation>>>", "\n\n".join(told), f"<<<{said} end of conversation>>>"]
        if references:
            parts += ["", fence(mark_for(seed, references), references)]
        text = "\n".join([*parts, "", self.closing])
        return [{"role": "system", "content": self.instructions}, {"role": "user", "content": text}]


def as_judge(judge: Layer | str | Model) -> Agent:
    """Return the agent that judges; raises `ConfigError` for anything but one that gives one response."""
    agent = Agent(judge) if not isinstance(judge, Layer) else judge
    if not isinstance(agent, Agent):
        raise ConfigError(f"a judge is an agent, not {type(judge).__name__}")
    if agent.samples != 1:
        raise ConfigError(
            f"judge {agent.model}: samples = {agent.samples}, but a judge gives one verdict",
            hint="leave samples away",
        )
    return agent


async def verdict(
    run: Run,
    judge: Agent,
    question: Question,
    read: Callable[[Verdict], T],
    *,
    prompt: Prompt,
    references: Sequence[Response] = (),
    at: int = 0,
) -> T | None:
    """Ask the judge and return what `read` makes of its verdict, None where there is none that can be used.

    `read` raises `ValueError` with what is wrong; the judge is then asked once more, and told. `at` is the
    judge's place among the children. It has 60 % of the time that is left. Without a verdict the run is
    degraded, and the layer does what it documents; `Judged` tells either.
    """
    asked = question
    problem = ""
    for _ in range(2):
        try:
            text = await _reply(run, judge, asked, prompt=prompt, references=references, at=at)
        except UserError:
            raise
        except MoaError as error:
            problem = str(error)
            break
        try:
            said = object_in(text)
            value = read(said)
        except ValueError as error:
            problem = str(error)
            again = f"{question.closing}\n\nYour last reply could not be used: {problem}. Reply again."
            asked = msgspec.structs.replace(question, closing=again)
        else:
            run.tell(Judged, verdict=said)
            return value
    run.degrade()
    run.tell(Judged, error=problem)
    return None


async def _reply(
    run: Run, judge: Agent, question: Question, *, prompt: Prompt, references: Sequence[Response], at: int
) -> str:
    deadline = run.remaining * SHARE
    if references:
        given = run(judge, prompt, references, role="judge", at=at, deadline=deadline, layout=question)
    else:
        # A layout is asked only where there are references to lay out.
        shown = without_tools(last_turn(prompt) if run.settings.multiturn is False else prompt)
        given = run(judge, question(shown, (), run.run_id), role="judge", at=at, deadline=deadline)
    return (await given)[0].text


def object_in(text: str) -> Verdict:
    """Return the last JSON object in a text; raises `ValueError` where there is none."""
    text = text[-LOOKED_AT:]
    found: Verdict | None = None
    at = text.find("{")
    for _ in range(STARTS):
        if at < 0:
            break
        try:
            found, end = _DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            found, end = _in_single_quotes(text, at) or (found, at + 1)
        at = text.find("{", end)
    if found is None:
        raise ValueError("there is no JSON object in it")
    return found


def value_of(said: Verdict, key: str) -> Any:
    """Return what the verdict has under a key; raises `ValueError`."""
    if key not in said:
        raise ValueError(f'"{key}" is missing')
    return said[key]


def place_of(value: object, count: int) -> int:
    """Return the place, from 0, that a verdict names by its number from 1 to `count`; raises `ValueError`."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{_short(value)} is not the number of a reference")  # noqa: TRY004 - what read raises
    if not 1 <= value <= count:
        raise ValueError(f"there is no reference {_short(value)}, they are numbered from 1 to {count}")
    return value - 1


def number_of(value: object, low: float, high: float) -> float:
    """Return a number between two others; raises `ValueError`."""
    if isinstance(value, str) and len(value) < 30:
        try:
            value = float(value)
        except ValueError:
            value = str(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{_short(value)} is not a number")
    if not low <= value <= high:
        raise ValueError(f"{_short(value)} is not between {low:g} and {high:g}")
    return float(value)


def _in_single_quotes(text: str, at: int) -> tuple[Verdict, int] | None:
    """Return a flat object whose strings stand in single quotes, where these can be nothing else."""
    match = _FLAT.match(text, at)
    if match is None or "'" not in match[0]:
        return None
    try:
        found: Verdict = _DECODER.decode(_QUOTED.sub(r'"\1"', match[0]))
    except json.JSONDecodeError:
        return None
    return found, match.end()


def _told(message: Message) -> str:
    """Return a message as text; what is not text, an image for one, is named."""
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, Sequence):
        return text_of(message)
    parts = [part for part in content if isinstance(part, Mapping)]
    return "\n".join(
        part["text"] if isinstance(part.get("text"), str) else f"[{part.get('type')}]" for part in parts
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands in it twice")
    return made


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _short(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:
        text = type(value).__name__
    return text if len(text) <= 40 else text[:39] + "…"


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
