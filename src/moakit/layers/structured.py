"""The answer of an agent in the JSON schema that a request asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from moakit.errors import SchemaMismatch
from moakit.events import CallRetried
from moakit.layers.exchange import exchange
from moakit.policies.json_schema import fault, read_json
from moakit.prompts import last_turn
from moakit.prompts.repair import repairing

if TYPE_CHECKING:
    from moakit.layers.agent import Agent
    from moakit.run.scope import References, Run
    from moakit.types import Prompt, Response


class Form(NamedTuple):
    """The schema of a request's `response_format`; `strict` says that nothing else will do."""

    schema: Any
    strict: bool

    def read(self, text: str) -> Any:
        """Return the value a text is; raises `ValueError` where it is no JSON, or does not fit."""
        try:
            value = read_json(text)
        except ValueError as error:
            raise ValueError(f"it is not JSON: {error}") from None
        if found := fault(value, self.schema):
            raise ValueError(found)
        return value


def form_of(parameters: Mapping[str, Any]) -> Form | None:
    """Return the form a request asks for, None where it asks for none by a schema."""
    wanted = parameters.get("response_format")
    inside = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    if not isinstance(inside, Mapping) or not isinstance(inside.get("schema"), Mapping):
        return None
    return Form(inside["schema"], strict=inside.get("strict") is True)


async def structured(agent: Agent, prompt: Prompt, references: References, run: Run) -> tuple[Response, ...]:
    """Return the agent's response in the form asked for, after one more call where the first is not in it.

    What has been shown already, was cut off, calls a tool or comes in several choices is passed on as it is.
    Raises what the call raises, and `SchemaMismatch` when the form is strict and the second response is not
    in it either; of a form that is not strict that is passed on, degraded.
    """
    form = form_of(run.parameters)
    (response,) = await exchange(agent, prompt, references, run)
    if form is None or not _is_checked(response, run):
        return (response,)
    try:
        return (_read(form, response),)
    except ValueError as error:
        problem = str(error)
    run.tell(CallRetried, error=_mismatch(agent, problem), wait=0.0)
    if run.settings.multiturn is False:
        prompt = last_turn(prompt)
        run.settings = msgspec.structs.replace(run.settings, multiturn=True)
    (response,) = await exchange(agent, repairing(prompt, response.text, problem), (), run)
    if not _is_checked(response, run):
        return (response,)
    try:
        return (_read(form, response),)
    except ValueError as error:
        if form.strict:
            raise _mismatch(agent, str(error)) from None
    run.degrade()
    return (response,)


def _is_checked(response: Response, run: Run) -> bool:
    several = len(response.extra.get("choices") or ()) > 1
    whole = response.finish_reason == "stop" and not response.tool_calls and not response.extra.get("refusal")
    return whole and not several and not run.journey.answered


def _read(form: Form, response: Response) -> Response:
    """Return the response without a fence around its JSON; raises `ValueError` when it is not in the form."""
    form.read(response.text)
    text = response.text.strip()
    if not text.startswith("```"):
        return response
    inside = text.partition("\n")[2].removesuffix("```").strip()
    return msgspec.structs.replace(response, text=inside)


def _mismatch(agent: Agent, problem: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the answer does not fit the JSON schema asked for: {problem}",
        model=agent.model,
        code="schema_mismatch",
        should_retry=False,
    )
