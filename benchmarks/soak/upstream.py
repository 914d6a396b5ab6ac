"""The faulty upstream of `tests/`, in a process of its own: `python -m benchmarks.soak.upstream`.

Prints its address, then answers each line of JSON with one. A question may name models that hang from then
on (`{"hang": ["sly"]}`), say whether there are faults (`{"faults": false}`), and name clients that have left,
with the machine's monotonic time: the answer tells what became of their calls. Calls that have ended are
forgotten after every question.
"""

import asyncio
import json
import random
import re
import sys
from collections import Counter
from typing import Any

from tests.upstream import Call, Upstream

SAID = "tokens:20"
"""What every healthy model answers: w1 to w20, so that a truncated text is seen."""
SLY = "sly"
"""A model that answers at once, until it hangs."""
STEADY = {
    "one": SAID,
    "two": SAID,
    "three": SAID,
    "lead": SAID,
    "brisk": f"{SAID}+sleep:0.02",
    "paced": f"{SAID}+pace:0.02",
    "silent": "hang",
    SLY: SAID,
    "flood": "tokens:2000+say:" + "x" * 1000,
}
FAULTS = {
    "status:429+retry_after_ms:50": 4,
    "status:429": 1,
    "status:500": 4,
    "status:503+should_retry:false": 1,
    "reset": 2,
    "close": 2,
    "cut:3": 4,
    "badchunk:3": 2,
    "error_in_stream:3": 2,
    "hang": 1,
    "hang_after:3": 1,
    "sleep:0.3": 3,
    "ttft:0.3": 2,
    "empty": 2,
    "blank": 1,
    "notjson": 1,
    "nodone": 3,
    "nofinish": 1,
    "stale": 3,
    "silent_end": 1,
    "comments+bytewise": 2,
}
"""How often each comes beside the others."""
SHARE = 0.3
"""How many calls of a model named `mixed…` go wrong, or slowly."""
ROUND, DOWN = 20.0, 3.0
"""Every so many seconds `mixed-down` is down for so many."""


class Mixed(dict[str, str]):
    """What each model does; those named `mixed…` do something else in every call."""

    def __init__(self, seed: int) -> None:
        super().__init__(STEADY)
        self.faults = True
        self._random = random.Random(seed)

    def get(self, key: str, default: Any = None) -> Any:
        """What the model does in this call."""
        if not key.startswith("mixed"):
            return super().get(key, default)
        if not self.faults:
            return SAID
        if key == "mixed-down" and asyncio.get_running_loop().time() % ROUND < DOWN:
            return "status:503"
        if self._random.random() >= SHARE:
            return SAID
        (fault,) = self._random.choices(list(FAULTS), list(FAULTS.values()))
        return f"{SAID}+{fault}"


def ended(calls: list[Call], left: dict[str, float]) -> dict[str, Any]:
    """What became of the calls of clients that have left."""
    delays: list[float] = []
    hedged: Counter[str] = Counter()
    under_way = set()
    for call in calls:
        found = re.search(r"client-\d+", call.prompt)
        if found is None or found[0] not in left:
            continue
        hedged[found[0]] += call.model == SLY
        late = (call.finished_at or 0.0) - left[found[0]]
        if late > 0:
            delays.append(late)
            under_way.add(found[0])
    return {
        "delays": delays,
        "clients": len(under_way),
        "hedges": sum(number > 1 for number in hedged.values()),
    }


def told(upstream: Upstream, mixed: Mixed, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question."""
    mixed.faults = asked.get("faults", mixed.faults)
    mixed.update(dict.fromkeys(asked.get("hang", ()), "hang"))
    answer = {
        "open": len(upstream.open),
        "calls": len(upstream.calls),
        "aborted": sum(call.status == "aborted" for call in upstream.calls),
        **ended(upstream.calls, asked.get("left", {})),
    }
    upstream.reset()
    return answer


async def serve(seed: int) -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    async with Upstream() as upstream:
        upstream.behaves = mixed = Mixed(seed)
        print(json.dumps(upstream.base_url), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(told(upstream, mixed, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
