"""Failover Bench's sixteen faults, met by one agent with one fallback behind the server (S01 to S16)."""

import contextlib
from collections.abc import AsyncIterator

from tests.faults.card import row
from tests.faults.case import Case
from tests.faults.sixteen import FALLBACK, FAULTS, PRIMARY, RETRIES, Fault, Outcome, Product, judged
from tests.upstream import Upstream


class Moakit:
    """The server, asked over HTTP as any client would."""

    def __init__(self, server) -> None:
        self.server = server

    async def ask(self, question: str) -> Outcome:
        heard = await self.server.chat("one", question, stream=True, stream_options={"include_usage": True})
        answered = [call["model"] for call in heard.calls if call["status"] == "ok"]
        return Outcome(
            text=heard.text,
            complete=heard.done,
            error=f"{heard.error.get('code')}: {heard.error['message']}" if heard.error else "",
            finish=heard.finish or "",
            model=answered[-1] if answered else "",
            tokens=heard.usage.get("total_tokens"),
        )


def product(case: Case):
    @contextlib.asynccontextmanager
    async def opened(primary: Upstream, fallback: Upstream, timeout: float) -> AsyncIterator[Product]:
        common = {"api_key": "${LAB_KEY}", "price": 0}
        providers = {
            "main": {"base_url": primary.base_url, **common},
            "spare": {"base_url": fallback.base_url, **common},
        }
        agent = {"model": f"main/{PRIMARY}", "fallback": f"spare/{FALLBACK}"}
        one = {"layers": [agent], "retries": RETRIES, "timeout": timeout, "on_cut": "continue"}
        yield Moakit(await case.serve({"one": one}, providers=providers))

    return opened


def enter(fault: Fault) -> None:
    @row(
        fault.name,
        fault.what,
        "a complete answer, nothing doubled" if fault.answer else "not retried, the reason passed on",
    )
    async def meets(case: Case) -> str:
        verdict = await judged(fault, product(case), case.scale.time)
        case.holds(f"{verdict.verdict}: {verdict.why}", verdict.verdict == "pass")
        return f"{verdict.verdict}, {verdict.attempts} attempts on the primary"


for one in FAULTS:
    enter(one)
