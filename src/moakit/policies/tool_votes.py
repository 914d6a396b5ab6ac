"""Which calls of tools a majority of proposals makes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from moakit.types import Response


def elected(responses: Sequence[Response], voters: int) -> tuple[Response | None, int]:
    """Return the first response with the calls that more than half of the voters make, and their votes.

    Without such a majority there is none, and the votes are the most that any calls got. Calls are the same
    when their names and their arguments, read as JSON, are; the order of parallel calls does not count. Who
    failed, and who calls nothing, votes for none.
    """
    ballots = [(_ballot(response), response) for response in responses if response.tool_calls]
    counted = Counter(ballot for ballot, _ in ballots)
    if not counted:
        return None, 0
    winner, votes = counted.most_common(1)[0]
    if votes * 2 <= voters:
        return None, votes
    return next(response for ballot, response in ballots if ballot == winner), votes


def _ballot(response: Response) -> Hashable:
    """Return what is the same for the same calls."""
    return tuple(sorted(map(_canonical, response.tool_calls)))


def _canonical(call: Mapping[str, Any]) -> tuple[str, str]:
    function = call.get("function")
    said: Mapping[str, Any] = function if isinstance(function, Mapping) else {}
    arguments = said.get("arguments")
    try:
        # No arguments and an empty object are the same to every tool.
        read = json.loads(arguments) if isinstance(arguments, str) and arguments.strip() else arguments or {}
        text = json.dumps(read, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError, TypeError):
        text = str(arguments)
    return str(said.get("name")), text
