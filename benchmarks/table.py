"""The tables that are printed."""

from rich.console import Console
from rich.table import Table

from . import payloads
from .measure import Series
from .targets import Verdict

NAMES = {
    "bare": "bare aiohttp + msgspec loop",
    "moakit": "moakit",
    "openai": "openai SDK, asyncio.gather",
    "raw": "bare relay, uvicorn, raw ASGI",
    "starlette": "bare relay, uvicorn, Starlette",
}


def library(series: Series) -> Table:
    """CPU of the library sides."""
    table = Table(
        title="Library: CPU a request, 3 proposers and an aggregator, 300 tokens each", title_justify="left"
    )
    table.add_column("side")
    for mode in ("not streamed", "streamed, 300 chunks at once"):
        table.add_column(mode, justify="right")
        table.add_column("x bare", justify="right")
        table.add_column("x openai SDK", justify="right")
    for side in ("bare", "moakit", "openai"):
        cells = []
        for mode in ("run", "stream"):
            cells += [
                cost(series, side, mode),
                ratio(series, side, "bare", mode),
                ratio(series, side, "openai", mode),
            ]
        table.add_row(NAMES[side], *cells)
    return table


def servers(series: Series) -> Table:
    """CPU of the server sides."""
    title = (
        f"Server: CPU of the server process a request; paced is {payloads.PACED_TOKENS} tokens, 10 ms apart"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("side")
    for mode in ("not streamed", "burst", "paced"):
        table.add_column(mode, justify="right")
        table.add_column("x raw", justify="right")
        table.add_column("x Starlette", justify="right")
    table.add_column("paced, a token", justify="right")
    for side in ("raw", "starlette", "moakit"):
        cells = []
        for mode in ("run", "burst", "paced"):
            cells += [
                cost(series, side, mode),
                ratio(series, side, "raw", mode),
                ratio(series, side, "starlette", mode),
            ]
        paced = series.cost(side, "paced")
        cells.append(f"{paced / payloads.PACED_TOKENS:.1f} us" if paced is not None else "–")
        table.add_row(NAMES[side], *cells)
    return table


def verdicts(found: list[Verdict]) -> Table:
    """Every target."""
    table = Table(title="Targets", title_justify="left")
    for column in ("target", "at most", "measured", ""):
        table.add_column(column)
    for verdict in found:
        word = {True: "[green]met[/]", False: "[red]missed[/]", None: "[yellow]not measured[/]"}[verdict.met]
        table.add_row(verdict.name, verdict.target, verdict.measured, word)
    return table


def cost(series: Series, side: str, mode: str) -> str:
    """Microseconds, in words."""
    found = series.cost(side, mode)
    return "–" if found is None else f"{found:,.0f} us"


def ratio(series: Series, side: str, base: str, mode: str) -> str:
    """A ratio, in words."""
    found = series.ratio(side, base, mode)
    return "–" if found is None else f"{found:.3f}" if found < 0.1 else f"{found:.2f}"


def show(console: Console, *tables: Table) -> None:
    """Prints tables with air between them."""
    for table in tables:
        console.print(table)
        console.print()
