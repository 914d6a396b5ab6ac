"""What a layer raises that was given no references when it runs."""

from __future__ import annotations

from moakit.errors import MoaError, NotEnoughResponses
from moakit.run.scope import References, Run


def check_given(references: References, run: Run) -> None:
    """Raise `NotEnoughResponses` where there are none; `on_no_references` says what becomes of it."""
    if not references:
        raise NotEnoughResponses(
            f"{type(run.layer).__name__} at {run.path or 'the root'} was given no references",
            [MoaError("the layers before it gave none")],
        )
