"""Asking a layer for something else than an answer: its references stand in a layout made for that."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Sequence
from typing import Any

from moakit.errors import ShapeError
from moakit.layers.agent import Agent
from moakit.layers.base import Layer
from moakit.prompts import Layout, compose
from moakit.run.scope import References, Run
from moakit.types import Prompt, Response


def asked(
    run: Run,
    layer: Layer,
    prompt: Prompt,
    references: Sequence[Response],
    layout: Layout,
    *,
    at: int,
    role: str,
    sample: int | None = None,
    samples: int = 1,
) -> Coroutine[Any, Any, References]:
    """Run a layer on the references as the layout shows them; await it for its responses.

    An agent is shown them by the layout, cut where its window is too small. An ensemble is asked the whole as
    its question, so that its own aggregator reads what its own proposers say of it.
    """
    if isinstance(layer, Agent):
        return run(layer, prompt, references, at=at, role=role, sample=sample, samples=samples, layout=layout)
    texts = [reference.text.strip() for reference in references]
    # Not the run's own mark, which the ensemble will use for its references.
    seed = hashlib.sha256(f"{run.run_id}|{run.path}".encode()).hexdigest()
    question = compose(prompt, texts, system=None, layout=layout, seed=seed)
    return run(layer, question, at=at, role=role, sample=sample, samples=samples)


def check_single(owner: str, layer: Layer) -> None:
    """Raise `ShapeError` for a layer that gives several responses where one is wanted."""
    width = layer.shape(None)
    if width not in (1, None):
        raise ShapeError(
            f"{owner}: one response is wanted of each, {layer!r} gives {width}",
            hint="samples belong to proposers",
        )


def only(owner: str, responses: References) -> Response:
    """Return the one response a layer gave; raises `ShapeError` when it is not one."""
    if len(responses) != 1:
        raise ShapeError(f"{owner}: a layer gave {len(responses)} responses where one was wanted")
    return responses[0]
