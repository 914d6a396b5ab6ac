"""What is to be reached, with what was."""

from dataclasses import dataclass, replace
from typing import Any

from . import payloads
from .latency import median
from .measure import Series
from .startup import Startup


@dataclass(frozen=True)
class Verdict:
    """One target; `met` is None when it could not be measured."""

    name: str
    target: str
    measured: str
    met: bool | None


def at_most(name: str, limit: float, found: float | None, unit: str, why: str = "not measured") -> Verdict:
    """A target with an upper bound."""
    digits = 3 if limit < 1 else 2 if limit < 10 else 1
    if found is None:
        return Verdict(name, f"<= {limit:g}{unit}", why, None)
    return Verdict(name, f"<= {limit:g}{unit}", f"{found:.{digits}f}{unit}", found <= limit)


def library(series: Series) -> list[Verdict]:
    """CPU a request of the library."""
    why = series.missing.get("moakit", "not measured")
    verdicts = []
    for mode, word in (("run", "not streamed"), ("stream", "streamed")):
        for base, limit, name in (("bare", 1.5, "the bare loop"), ("openai", 0.07, "the openai SDK")):
            reason = series.missing.get(base, why)
            found = series.ratio("moakit", base, mode)
            verdicts.append(at_most(f"library, {word}, CPU beside {name}", limit, found, " x", reason))
    return verdicts


def servers(series: Series) -> list[Verdict]:
    """CPU a request of the server."""
    why = series.missing.get("moakit", "not measured")
    verdicts = [
        at_most(
            f"server, {word}, CPU beside the Starlette relay",
            1.5,
            series.ratio("moakit", "starlette", mode),
            " x",
            why,
        )
        for mode, word in (("burst", "burst"), ("paced", "paced"))
    ]
    mine, raw = series.cost("moakit", "paced"), series.cost("raw", "paced")
    beyond = (mine - raw) / payloads.PACED_TOKENS if mine is not None and raw is not None else None
    verdict = at_most("server, paced, CPU a token beyond the raw relay", 15, beyond, " us", why)
    if raw is not None and beyond is not None:
        # An absolute time: the relay's own says how fast the machine was.
        own = raw / payloads.PACED_TOKENS
        verdict = replace(verdict, measured=f"{verdict.measured} (the relay itself: {own:.1f} us)")
    verdicts.append(verdict)
    return verdicts


def latency(found: dict[str, Any] | str) -> list[Verdict]:
    """Time beyond the upstream's."""
    if isinstance(found, str):
        return [Verdict("latency", "", found, None)]
    verdicts = []
    for where, figures in found.items():
        for mode, word in (("run", "not streamed"), ("stream", "streamed")):
            name = f"{where}, {word}, 0.5 s of proposers and 0.5 s of aggregator"
            verdicts.append(at_most(name, 1.03, median(figures[mode]), " s"))
        first = median(figures["first"]) * 1000
        verdicts.append(at_most(f"{where}, first token after the aggregator's", 10, first, " ms"))
    deep = found["library"]
    measured = f"{deep['calls']} calls, {deep['steps']} steps, {deep['deep']:.2f} s"
    exact = (deep["calls"], deep["steps"]) == (10, 4)
    verdicts.append(Verdict("3 proposers, layers=4, 0.1 s a call", "10 calls, 4 steps", measured, exact))
    return verdicts


def startup(found: Startup) -> list[Verdict]:
    """Time to start."""
    bare = found.python * 1000
    importing = found.importing and found.importing * 1000 - bare
    touched = "not measured" if found.touched is None else ", ".join(found.touched) or "nothing"
    untouched = None if found.touched is None else not found.touched
    return [
        at_most(f"import moakit, beyond a bare Python's {bare:.0f} ms", 150, importing, " ms"),
        at_most("moa --help, all of it", 250, found.help and found.help * 1000, " ms"),
        Verdict("import moakit touches of the network", "nothing", touched, untouched),
    ]
