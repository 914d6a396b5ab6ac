"""Fitting the references of a call into the window of its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from moakit.errors import ContextTooLong
from moakit.models import prices, tokens, windows
from moakit.models.base import Model
from moakit.prompts import compose
from moakit.prompts.packing import Packed, pack
from moakit.run.citing import cites
from moakit.run.scope import Run
from moakit.types import Prompt, Usage, text_of

MARGIN = 0.1
"""The part of a window that stays free, since tokens are estimated."""
LONGEST_ANSWER = 0.75
"""The part of a window that is kept for the answer at most, whatever is asked for."""
CHARACTERS = 8
"""More characters than a token has on average in any language: what is too long even so is so for certain."""


class Fitted(NamedTuple):
    """What is sent: the messages, the reference texts in them, how many tokens of those were left out.

    `size` is the estimate of it all, 0 where there was no need for one; `again` says that it is the shorter
    one after a refusal. With a `refusal` of our own nothing is sent.
    """

    messages: Prompt
    texts: Sequence[str]
    left_out: int = 0
    size: int = 0
    again: bool = False
    refusal: ContextTooLong | None = None


def fitted(
    run: Run,
    model: Model,
    prompt: Prompt,
    texts: Sequence[str],
    *,
    system: str | None,
    parameters: Mapping[str, Any],
) -> Fitted:
    """Return the messages of a call, its references cut where the window is known to be too small for them.

    The conversation is never cut. One that is too long for certain is refused, with the numbers.
    """
    cap = run.settings.reference_tokens
    shown, left_out = texts, 0
    if cap is not None and texts:
        shown, left_out, _ = pack(texts, tokens.estimate, cap=cap)
    messages = _composed(run, prompt, shown, system, parameters)
    if not windows.may_be_known(model):
        return Fitted(messages, shown, left_out)
    size = tokens.estimate_prompt(messages) + tokens.estimate_tools(parameters)
    listed = size + (_asked(parameters) or tokens.ANSWER) > windows.LITTLE and (
        bool(texts) or prices.loaded()
    )
    window = windows.window_of(model.endpoint, model.name, listed=listed)
    if window is None:
        return Fitted(messages, shown, left_out, size)
    limit = _limit(window, parameters, windows.density_of(model))
    if size <= limit:
        return Fitted(messages, shown, left_out, size)
    if texts:
        packed = _packed(texts, room=limit - _frame(size, shown), cap=cap)
        fit = _measured(run, prompt, packed, system, parameters)
    else:
        fit = Fitted(messages, texts, 0, size)
    if sum(len(text_of(message)) for message in fit.messages) <= window * CHARACTERS:
        # Where it is a matter of estimates, the provider decides.
        return fit
    what = "the conversation, with the least of its references," if texts else "the conversation"
    refusal = ContextTooLong(
        f"{what} has about {fit.size:,} tokens, the model's window {window:,}",
        model=model.name,
        code="context_length_exceeded",
        needed=fit.size,
        window=window,
        hint="shorten the conversation or use a model with a larger window",
    )
    return fit._replace(refusal=refusal)


def refitted(
    run: Run,
    model: Model,
    prompt: Prompt,
    texts: Sequence[str],
    *,
    system: str | None,
    parameters: Mapping[str, Any],
    sent: Fitted,
    error: ContextTooLong,
) -> Fitted:
    """Return a shorter call than the refused one; raises the error when there is none, or was one already.

    What the error says is remembered. Without numbers in it, half of the references are left out.
    """
    size = sent.size or tokens.estimate_prompt(sent.messages) + tokens.estimate_tools(parameters)
    windows.learn(model, error, estimated=size, asked=_asked(parameters))
    window = windows.window_of(model.endpoint, model.name, listed=prices.loaded())
    hopeless = window is not None and (error.answer or 0) >= window
    if sent.again or hopeless or not sent.texts or (run.tail and run.journey.answered):
        raise _with_numbers(error, size, window)
    cap = run.settings.reference_tokens
    now = sum(map(tokens.estimate, sent.texts))
    frame = _frame(size, sent.texts)
    room, most = now // 2, now - 1
    if error.window is not None and window is not None:
        density = windows.density_of(model)
        most = min(most, _limit(window, parameters, density, margin=0) - frame)
        known = _limit(window, parameters, density) - frame
        if known < now * (1 - MARGIN):
            room = known
    packed = _packed(texts, room=room, cap=cap)
    if packed.needed > most:
        raise _with_numbers(error, size, window)
    return _measured(run, prompt, packed, system, parameters)._replace(again=True)


def confirm(model: Model, sent: Fitted, usage: Usage) -> None:
    """Learn from a call that went through, with references cut, how far the estimates are off."""
    windows.confirm(model, estimated=sent.size, counted=usage.prompt_tokens)


def _packed(texts: Sequence[str], *, room: int, cap: int | None) -> Packed:
    """Return the texts cut to the room, or as short as they can be."""
    packed = pack(texts, tokens.estimate, room=room, cap=cap)
    return packed if packed.texts else pack(texts, tokens.estimate, room=packed.needed, cap=cap)


def _measured(
    run: Run, prompt: Prompt, packed: Packed, system: str | None, parameters: Mapping[str, Any]
) -> Fitted:
    messages = _composed(run, prompt, packed.texts, system, parameters)
    size = tokens.estimate_prompt(messages) + tokens.estimate_tools(parameters)
    return Fitted(messages, packed.texts, packed.left_out, size)


def _composed(
    run: Run, prompt: Prompt, texts: Sequence[str], system: str | None, parameters: Mapping[str, Any]
) -> Prompt:
    settings = run.settings
    return compose(
        prompt,
        texts,
        system=system,
        layout=settings.prompt or "moakit",
        seed=run.journey.run_id,
        cite=bool(settings.cite) and cites(run, parameters),
    )


def _frame(size: int, texts: Sequence[str]) -> int:
    """Return the tokens of everything but the references; each of them may have been rounded up."""
    return size - sum(map(tokens.estimate, texts)) + len(texts)


def _limit(window: int, parameters: Mapping[str, Any], density: float, *, margin: float = MARGIN) -> int:
    """Return how many estimated tokens may be sent."""
    answer = min(_asked(parameters) or tokens.ANSWER, int(window * LONGEST_ANSWER))
    return int((window - answer) * (1 - margin) / density)


def _asked(parameters: Mapping[str, Any]) -> int | None:
    asked = parameters.get("max_tokens") or parameters.get("max_completion_tokens")
    return asked if isinstance(asked, int) else None


def _with_numbers(error: ContextTooLong, size: int, window: int | None) -> ContextTooLong:
    """Return the error with what is known in its message, where the provider gave no numbers."""
    if error.needed is None:
        error.needed = size
        limit = "is unknown" if window is None else f"is {window:,}"
        error.args = (f"{error.message} [about {size:,} tokens were sent; the window {limit}]",)
    if error.window is None:
        error.window = window
    return error
