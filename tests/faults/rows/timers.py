"""Silence, clocks and addresses: what times out when, and as what (F6, F7, F32)."""

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path
from unittest import mock

import moakit
from moakit import ConnectionFailed, ModelTimeout
from tests.faults.card import row
from tests.faults.case import Case

CERTIFICATE = Path(__file__).parents[2] / "models" / "self-signed.pem"


@contextlib.contextmanager
def deaf():
    """A port that listens and lets nobody in: its queue is full."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


async def timed(ensemble: moakit.Layer) -> tuple[str, float]:
    """The timer that rang, and when."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await ensemble.run("why")
    except ModelTimeout as error:
        return error.timer, loop.time() - began
    return "none", loop.time() - began


@row(
    "F6",
    "a silent upstream",
    "dropped at the first-token or idle timer, not retried on the same route; never more than 1.05 × what is "
    "configured",
)
async def silence(case: Case) -> str:
    wait = case.seconds(4, least=0.4)
    lab, settings = case.lab(), {"first_token": wait, "idle": wait, "timeout": 10 * wait}
    spare = lab("say:spare")
    ratios = []

    async def dropped(name: str, behaviour: str, **changed: float) -> None:
        case.up.behaves[name] = behaviour
        team = [lab(name, fallback=spare), lab("a"), lab("b")]
        answer = await moakit.MoA(team, lab("lead"), quorum=3, **{**settings, **changed}).run("why")
        case.holds(f"{name}: the fallback did not stand in", answer.references[0].text == "spare")
        calls = case.up.of(name)
        case.holds(f"{name}: asked {len(calls)} times", len(calls) == 1)
        ratios.append(((calls[0].aborted_at or float("inf")) - calls[0].at) / wait)

    await asyncio.gather(
        dropped("never-a-header", "hang"),
        dropped("never-a-token", "hang_after:0"),
        dropped("stops-after-three", "tokens:9+hang_after:3"),
        dropped("whole-and-silent", "hang", timeout=wait, first_token=10 * wait),
    )
    case.at_most("let go, as a multiple of what is configured", max(ratios), 1.05)
    return f"let go after {max(ratios):.3f} × the {wait:g} s configured, one attempt each"


@row(
    "F7",
    "only comments or pings; one token every 0.5 s",
    "four timers fire: connect, first content token (from the attempt's start), content idle, total",
)
async def four_timers(case: Case) -> str:
    wait = case.seconds(4, least=0.6)
    pace = case.seconds(0.5, least=0.1)
    long = 20 * wait
    lab = case.lab()
    found = {}

    async def rings(timer: str, model: moakit.Agent, **settings: float) -> None:
        given = {"first_token": long, "idle": long, "timeout": long, "retries": 0, **settings}
        rang, after = await timed(moakit.Sequential(model, **given))
        case.holds(f"{timer}: {rang} rang instead", rang == timer)
        found[timer] = max(found.get(timer, 0.0), after / wait)
        case.holds(f"{timer}: rang early, at {after:.2f} s", after > 0.95 * wait)

    with deaf() as nowhere:
        far = moakit.Provider("far", base_url=nowhere, api_key="key", connect=wait)
        await asyncio.gather(
            rings("connect", far("m")),
            rings("first_token", lab("comments+hang_after:0"), first_token=wait),
            rings("first_token", lab(f"sleep:{wait * 0.6:g}+ttft:{wait:g}+say:late"), first_token=wait),
            rings("idle", lab("comments+tokens:1+say:x+hang_after:1"), idle=wait),
            rings("total", lab(f"tokens:10000+pace:{pace:g}"), timeout=wait, idle=2 * wait),
        )
    case.at_most("rang, as a multiple of what is configured", max(found.values()), 1.05)
    return ", ".join(f"{timer} {share:.3f} ×" for timer, share in found.items())


@row("F32", "clock jumps, DNS failure, bad certificate, closed port", "typed errors; monotonic clocks")
async def clocks_and_addresses(case: Case) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    silent = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = silent.sockets[0].getsockname()[1]
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        addresses = {
            "name": "http://nowhere.invalid/v1",
            "certificate": f"https://127.0.0.1:{port}/v1",
            "closed": f"http://127.0.0.1:{held.getsockname()[1]}/v1",
        }
        for name, address in addresses.items():
            far = moakit.Provider(name, base_url=address, api_key="key", connect=5)
            try:
                await moakit.Sequential(far("m"), retries=0).run("why")
            except ConnectionFailed as error:
                case.holds(f"{name}: no hint in {error}", error.hint)
            else:
                case.holds(f"{name}: there was an answer", so=False)
    silent.close()
    await silent.wait_closed()
    lab, loop, jumps = case.lab(), asyncio.get_running_loop(), iter([3600.0, -3600.0] * 10_000)
    real = time.time
    case.up.behaves |= {"slow": "sleep:0.3+say:here", "again": "retry_after:0.3+times:1+say:here"}
    began = loop.time()
    with mock.patch("time.time", side_effect=lambda: real() + next(jumps)):
        ensemble = moakit.MoA([lab("slow"), lab("again")], lab("lead"), deadline=30, timeout=5)
        answer = await ensemble.run("why")
    took = loop.time() - began
    case.holds("a jump of the clock lost a proposer", len(answer.references) == 2)
    case.holds(f"a run of {took:.1f} s says it took {answer.duration:.1f}", abs(took - answer.duration) < 0.5)
    case.at_most("seconds of a run whose clock jumps", took, 1.2)
    return f"{len(addresses)} typed errors with a hint; a run under jumps of an hour took {took:.2f} s"
