"""Reading references from files, so that an answer can be written again without asking proposers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias

from moakit.errors import InvalidRequest
from moakit.types import Prompt, Response, as_prompt, as_references, text_of

Source: TypeAlias = str | PathLike[str] | Iterable[Response | str | Mapping[str, Any]]
"""A file's path, or references themselves."""


def references_from(*sources: Source, prompt: str | Prompt | None = None) -> tuple[Response, ...]:
    """Return references from files and lists, for `references=` of a run.

    A file holds a JSON list, or a JSON value a line, of texts and of objects: `{"output": …}` with
    `instruction` and `generator` (the paper's reference implementation writes these), or responses; an
    `Answer` as JSON gives its `references`. Where they belong to several instructions, those whose
    `instruction` is the last user message of the `prompt` are taken.
    Raises `InvalidRequest`.

    >>> [reference.text for reference in references_from(["4", {"output": "Four."}])]
    ['4', 'Four.']
    """
    found: list[tuple[str | None, Response]] = []
    for source in sources:
        one = _path_of(source)
        items = source if one is None else _read(one)
        if not isinstance(items, Iterable) or isinstance(items, Mapping | Response):
            raise InvalidRequest(
                f"references_from was given a {type(source).__name__}",
                param="references",
                hint="pass paths of files, or lists",
            )
        listed = list(items)
        try:
            responses = as_references(listed)
        except InvalidRequest as error:
            if one is not None:
                error.args = (f"{one}: {error.message}", *error.args[1:])
            raise
        found.extend(zip(map(_instruction, listed), responses, strict=True))
    return _fitting(found, prompt)


def _fitting(
    found: Sequence[tuple[str | None, Response]], prompt: str | Prompt | None
) -> tuple[Response, ...]:
    """Return the references that belong to the prompt; those that name no instruction always do."""
    named = {instruction for instruction, _ in found if instruction is not None}
    if prompt is None:
        if len(named) > 1:
            raise InvalidRequest(
                f"the references belong to {len(named):,} instructions",
                param="references",
                hint="pass the `prompt`, which says to which of them",
            )
        return tuple(response for _, response in found)
    asked = next(
        (text_of(message).strip() for message in reversed(as_prompt(prompt)) if message["role"] == "user"), ""
    )
    fitting = tuple(response for instruction, response in found if instruction in (None, asked))
    if found and not fitting:
        raise InvalidRequest(
            f"none of the {len(found):,} references belongs to this prompt",
            param="references",
            hint="their `instruction` is another text",
        )
    return fitting


def _instruction(item: object) -> str | None:
    instruction = item.get("instruction") if isinstance(item, Mapping) else None
    return instruction.strip() if isinstance(instruction, str) else None


def _path_of(source: Source) -> Path | None:
    return Path(fspath(source)) if isinstance(source, str | PathLike) else None


def _read(path: Path) -> list[Any]:
    """Return what a file lists."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror or error}", param="references") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not a text in UTF-8", param="references") from error
    try:
        data = json.loads(text)
    except ValueError:
        return [_line(path, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    except RecursionError as error:
        raise InvalidRequest(f"{path} nests too deep", param="references") from error
    if isinstance(data, Mapping) and isinstance(data.get("references"), list):
        data = data["references"]
    return data if isinstance(data, list) else [data]


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"{path}: line {number} is not JSON",
            param="references",
            hint="write a JSON list, or one JSON value a line",
        ) from error
