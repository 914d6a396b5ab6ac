"""An upstream that is down for a while, then back (F21)."""

import asyncio

import moakit
from tests.faults.card import row
from tests.faults.case import Case


@row(
    "F21", "an upstream down for a minute, then back", "served from fallbacks, single probes, back within 5 s"
)
async def down_and_back(case: Case) -> str:
    loop, away = asyncio.get_running_loop(), case.seconds(60, least=4)
    pace, slow = away / 300, 0.05
    primary = await case.upstream()
    agent = case.lab(primary, "primary")("main", fallback=case.lab()("spare"))
    ensemble = moakit.Sequential(agent)
    primary.behaves["main"] = "say:main"
    asked: list[asyncio.Task[moakit.Answer]] = []

    async def ask(seconds: float) -> None:
        end = loop.time() + seconds
        while loop.time() < end:
            asked.append(asyncio.create_task(ensemble.run("why")))
            await asyncio.sleep(pace)

    await ask(10 * pace)
    # Half of the time nobody is at the door, half of it somebody says no, and takes a while to.
    await primary.stop()
    await ask(away / 2)
    primary.behaves["main"] = f"sleep:{slow}+status:503"
    await primary.start()
    settled = len(primary.calls)
    await ask(away / 2)
    probes = primary.calls[settled:]
    primary.behaves["main"] = "say:main"
    healed, before = loop.time(), len(asked)
    while loop.time() < healed + 5 * case.scale.slack:
        await ask(pace)
        if any(task.done() and task.result().response.model == "primary/main" for task in asked[before:]):
            break
    back = loop.time() - healed
    answers = await asyncio.gather(*asked, return_exceptions=True)
    lost = [answer for answer in answers if isinstance(answer, BaseException)]
    case.holds(f"{len(lost)} of {len(asked)} were not served: {lost[:1]!r}", not lost)
    together = max(
        (sum(other.at <= probe.at < (other.finished_at or 0.0) for other in probes) for probe in probes),
        default=0,
    )
    case.holds("it was never looked after", probes)
    case.holds(f"{together} probes at once", together <= 1)
    case.at_most("seconds until it was asked again", back, 5)
    return (
        f"{len(answers) - len(lost)} of {len(asked)} served, {len(probes)} probes in {away / 2:g} s, "
        f"{together} at once, back after {back:.1f} s"
    )
