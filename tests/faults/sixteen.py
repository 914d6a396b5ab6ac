"""The sixteen faults of Failover Bench, and how an answer to each is judged.

Given are 2 retries, 30 s of timeout and one fallback. Judged is from the caller's view and from the
provider's: `pass` is a complete answer with nothing doubled, got without abuse of the provider; `safe` a
clear error; anything else is `fail`. Only what every product's environment has is imported here.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from tests.upstream import Call, Upstream

RETRIES, TIMEOUT = 2, 30.0
WORDS = 60
ANSWER = " ".join(f"w{number + 1}" for number in range(WORDS))
GOOD = f"tokens:{WORDS}"
PRIMARY, FALLBACK = "primary", "fallback"
QUESTION = "count for me"


@dataclass(frozen=True)
class Outcome:
    """What a caller got: the text, whether it ended as a complete one does, and what it was told.

    `error` is the failure it was told of, `finish` the reason the answer ended; `model` and `tokens` are who
    is said to have answered, and with how many tokens, prompt and answer together.
    """

    text: str = ""
    complete: bool = False
    error: str = ""
    finish: str = ""
    model: str = ""
    tokens: int | None = None


class Product(Protocol):
    """What is judged: something that asks a primary model and has a fallback."""

    async def ask(self, question: str) -> Outcome:
        """Ask once, streamed."""


Opened = Callable[[Upstream, Upstream, float], AbstractAsyncContextManager[Product]]
"""Sets a product up over the primary's and the fallback's upstream, with a timeout in seconds."""


@dataclass
class Trial:
    """One fault as it went: the two upstreams, what the caller got, and how fast time went."""

    primary: Upstream
    fallback: Upstream
    scale: float
    outcomes: list[Outcome] = field(default_factory=list)
    recovered_at: float = 0.0

    @property
    def attempts(self) -> list[Call]:
        return self.primary.of(PRIMARY)


Check = Callable[[Trial], str]


@dataclass(frozen=True)
class Fault:
    """One of the sixteen: what the primary and the fallback do (`{}` stands for seconds), and what matters.

    `check` says what is wrong beyond the text, from the provider's view or in what the caller is told.
    """

    name: str
    what: str
    primary: str
    check: Check
    fallback: str = GOOD
    seconds: float = 0.0
    answer: str | None = ANSWER


@dataclass(frozen=True)
class Verdict:
    """`pass`, `safe` or `fail`, why it is not a pass, and the attempts that the primary saw."""

    verdict: str
    why: str
    attempts: int


def at_most(attempts: int) -> Check:
    """The primary is not asked more often than this."""
    return lambda trial: (
        "" if len(trial.attempts) <= attempts else f"{len(trial.attempts)} attempts on the primary"
    )


def _waited(trial: Trial) -> str:
    calls = trial.attempts
    gap = min((later.at - earlier.at for earlier, later in pairwise(calls)), default=float("inf"))
    return "" if gap >= 2 * trial.scale else f"came back after {gap:.2f} s"


def _told(trial: Trial) -> str:
    (outcome,) = trial.outcomes
    reason = f"{outcome.error} {outcome.finish}".lower().replace("_", " ")
    return at_most(1)(trial) or (
        "" if "content" in reason or "filter" in reason else "the reason is not passed on"
    )


def _accounted(trial: Trial) -> str:
    (outcome,) = trial.outcomes
    billed = [call for call in trial.fallback.of(FALLBACK) if call.code == 200]
    tokens = sum(len(call.prompt.split()) + WORDS for call in billed)
    if FALLBACK not in outcome.model:
        return f"the answer is said to be {outcome.model or 'nobody'}'s"
    return "" if outcome.tokens == tokens else f"{outcome.tokens} tokens are reported, {tokens} were billed"


def _back(trial: Trial) -> str:
    served = [call.at for call in trial.attempts if call.code == 200 and call.at >= trial.recovered_at]
    if not served:
        return "the primary was not asked again"
    back = min(served) - trial.recovered_at
    return "" if back <= 30 * max(trial.scale, 0.2) else f"back after {back:.0f} s"


FAULTS = (
    Fault("S01", "429 with Retry-After 2", f"retry_after:{{}}+times:1+{GOOD}", _waited, seconds=2),
    Fault("S02", "429 for good, no header", "status:429", at_most(3)),
    Fault("S03", "one 500", f"status:500+times:1+{GOOD}", at_most(2)),
    Fault("S04", "503 for good", "status:503", at_most(3)),
    Fault("S05", "TCP reset before the headers", f"reset+times:1+{GOOD}", at_most(2)),
    Fault("S06", "silent for 120 s", f"sleep:{{}}+{GOOD}", at_most(1), seconds=120),
    Fault("S07", "first token after 20 s", f"ttft:{{}}+{GOOD}", at_most(1), seconds=20),
    Fault("S08", "stream cut at token 40 of 60", f"{GOOD}+cut:40", at_most(1)),
    Fault("S09", "stream stalls for 31 s", f"{GOOD}+hang_after:40+stall:{{}}", at_most(1), seconds=31),
    Fault("S10", "a malformed chunk at token 40", f"{GOOD}+badchunk:40", at_most(1)),
    Fault("S11", "no [DONE]", f"{GOOD}+nodone", at_most(1)),
    Fault("S12", "400 context_length_exceeded", "code:context_length_exceeded", at_most(1)),
    Fault("S13", "content filter", "filter400", _told, answer=None),
    Fault(
        "S14", "stream cut, the fallback refuses an assistant prefill", f"{GOOD}+cut:40", at_most(1),
        fallback=f"{GOOD}+noprefill+resumes",
    ),
    Fault("S15", "primary down 60 s, then healthy", GOOD, _back, seconds=60),
    Fault("S16", "accounting after a failover", "status:503", _accounted),
)  # fmt: skip


async def judged(fault: Fault, opened: Opened, scale: float = 1.0) -> Verdict:
    """Put a product through a fault whose times are multiplied by `scale`."""
    async with Upstream() as primary, Upstream() as fallback:
        seconds = f"{fault.seconds * scale:g}"
        primary.behaves[PRIMARY] = f"{fault.primary.replace('{}', seconds)}+pace:0.002"
        fallback.behaves[FALLBACK] = fault.fallback
        trial = Trial(primary, fallback, scale)
        async with opened(primary, fallback, TIMEOUT * scale) as product:
            try:
                async with asyncio.timeout(200 * scale + 20):
                    await (_down_and_back if fault.name == "S15" else _once)(fault, trial, product)
            except TimeoutError:
                trial.outcomes.append(Outcome(error="", text="(never ended)"))
        return _judge(fault, trial)


async def _once(fault: Fault, trial: Trial, product: Product) -> None:
    trial.outcomes.append(await product.ask(QUESTION))


async def _down_and_back(fault: Fault, trial: Trial, product: Product) -> None:
    """Ask all the time, while the primary is down and for half as long afterwards."""
    asked: list[asyncio.Task[Outcome]] = []
    pause = 2 * trial.scale

    async def ask(seconds: float, *, until: Callable[[], object]) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            asked.append(asyncio.create_task(product.ask(QUESTION)))
            await asyncio.sleep(pause)

    try:
        await trial.primary.stop()
        await ask(fault.seconds * trial.scale, until=lambda: False)
        await trial.primary.start()
        trial.recovered_at = asyncio.get_running_loop().time()
        await ask(30 * max(trial.scale, 0.2), until=lambda: any(call.code == 200 for call in trial.attempts))
        trial.outcomes += await asyncio.gather(*asked)
    finally:
        for task in asked:
            task.cancel()


def _judge(fault: Fault, trial: Trial) -> Verdict:
    attempts = len(trial.attempts)
    wrong = next((why for outcome in trial.outcomes if (why := _wrong(fault, outcome))), "")
    abused = fault.check(trial)
    if not wrong and not abused:
        return Verdict("pass", "", attempts)
    safe = fault.answer is not None and all(
        not _wrong(fault, outcome) or (outcome.error and not outcome.complete) for outcome in trial.outcomes
    )
    # Who was told clearly is safe; who was served at the provider's expense is not the better for it.
    return Verdict("safe" if wrong and safe else "fail", "; ".join(filter(None, (wrong, abused))), attempts)


def _wrong(fault: Fault, outcome: Outcome) -> str:
    """What is wrong with an answer; a fault without an answer wants its reason told alone."""
    if fault.answer is None:
        return "a filtered answer was shown as another's" if outcome.complete and outcome.text else ""
    if outcome.complete and outcome.text == fault.answer:
        return ""
    if outcome.error:
        return f"told: {outcome.error[:100]}"
    whole = "shown as complete" if outcome.complete else "without a word"
    return f"{len(outcome.text.split())} of {WORDS} words, {whole}"
