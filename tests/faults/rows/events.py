"""The bytes of a stream: cut anywhere, marked up anyhow, never ending (F15)."""

import asyncio
import sys
import tracemalloc
from itertools import pairwise
from urllib.parse import quote

import moakit
from moakit import BadResponse
from moakit.models.sse import EventParser
from tests.faults.card import row
from tests.faults.case import Case
from tests.upstream import Upstream

TEXT = "a\u2028b\u0085c\0d \U0001f511 e,f: data"
STREAM = (
    ": a comment\n\ndata: one\n\ndata: two\ndata:lines\n\nevent: x\nid: 1\nretry: 5\ndata:  spaced\n\n"
    f": ping\n\ndata\ndata: after an empty line\n\ndata: {TEXT}\n\ndata: [DONE]\n\n"
)
LINE = 64
"""Megabytes of the longest line."""


def events(pieces: list[bytes]) -> list[bytes]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


@row(
    "F15",
    "SSE cut at any byte, CR, LF, CRLF, multi-line data, comments, U+2028, U+0085, NUL, invalid UTF-8, a "
    "64 MB line",
    "the same events for every cut; bounded memory; a typed error",
    busy=True,
)
async def any_cut(case: Case) -> str:
    expected = events([STREAM.encode()])
    case.holds("the stream is not what it says", len(expected) == 6)
    cuts = 0
    for end in ("\n", "\r\n", "\r"):
        for mark in (b"", b"\xef\xbb\xbf"):
            data = mark + STREAM.replace("\n", end).encode()
            step = 1 if case.scale.repeat == 1 else 7
            for first in range(1, len(data)):
                for second in range(first + 1, len(data) + 1, step * 5):
                    pieces = [data[a:b] for a, b in pairwise((0, first, second, len(data)))]
                    if events(pieces) != expected:
                        case.holds(
                            f"{end!r} cut at {first} and {second}: other events", len(case.failures) > 3
                        )
                    cuts += 1
    lab = case.lab()
    text = quote(TEXT.replace(" ", "_"), safe="_,:")
    for shape in (
        "crlf",
        "cr",
        "multiline",
        "bom+crlf+comments",
        "bom+cr+multiline+comments",
        "extra+comments",
    ):
        for streamed in ("", "+bytewise"):
            answer = await moakit.Sequential(lab(f"say:{text}+{shape}{streamed}"), first_token=5).run("why")
            case.holds(f"{shape}{streamed}: {answer.text!r}", answer.text == TEXT)
    for streamed in ({}, {"first_token": 5}):
        try:
            await moakit.Sequential(lab("tokens:9+badutf8:3"), retries=0, **streamed).run("why")
        except BadResponse:
            pass
        else:
            case.holds("invalid UTF-8 became an answer", so=False)
    held = await memory_of_a_long_line(case)
    case.at_most("MB held for a line of 64 MB", held, LINE / 2)
    return f"the same events for {cuts:,} cuts; a {LINE} MB line is an error, {held:.0f} MB held"


async def memory_of_a_long_line(case: Case) -> float:
    """The most megabytes that were held, besides what the upstream needs, which has its own process."""
    command = [sys.executable, "-m", "tests.upstream", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        far = Upstream(port=int((await process.stdout.readline()).split(b":")[2].split(b"/")[0]))
        ensemble = moakit.Sequential(case.lab(far)(f"huge:{LINE}"), first_token=30, retries=0)
        tracemalloc.start()
        try:
            await ensemble.run("why")
        except BadResponse as error:
            case.holds(f"not told that it is too large: {error}", "larger than" in str(error))
        else:
            case.holds("a line of 64 MB became an answer", so=False)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
        process.terminate()
        await process.communicate()
