"""What people ask and models say is in no log, unless somebody asks for DEBUG."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.models.scripted import answer, stream
from tests.security.echoing import echoing
from tests.security.faults import every_fault
from tests.server.hosting import configured, hosted
from tests.upstream import Upstream

ASKED = "Nb8Wq1-what-somebody-asks"
SAID = "Kx5Tr3-what-a-model-says"
HEARD = f"{SAID} {ASKED}"
CHUNK = '{"choices": [{"index": 0, "delta": {"content": "' + SAID
QUOTING = {
    "error": answer(
        json.dumps({"error": {"message": f"invalid: {HEARD}", "code": HEARD}}).encode(), status="400 No"
    ),
    "input": answer(json.dumps({"detail": [{"loc": ["body"], "input": HEARD}]}).encode(), status="422 No"),
    "busy": answer(json.dumps({"error": {"message": HEARD}}).encode(), status="429 No"),
    "key": answer(json.dumps({"error": {"message": HEARD}}).encode(), status="401 No"),
    "page": answer(f"<p>{HEARD}".encode(), Content_Type="text/html"),
    "broken": answer(CHUNK.encode()),
    "chunk": stream(CHUNK.encode()),
    "event": stream(json.dumps({"error": {"message": HEARD}}).encode()),
    "value": answer(
        json.dumps({"error": {"message": "Unsupported value: 'stop' does not support it"}}).encode(),
        status="400 No",
    ),
}
BODY = {
    "messages": [{"role": "user", "content": ASKED}],
    "stop": [ASKED],
    "user": ASKED,
    "metadata": {"a": ASKED},
}
ENSEMBLES = {
    "before": {"proposers": ["lab/f", "sound/one"], "aggregator": "sound/lead", "retries": 0, "timeout": 0.4},
    "alone": {"proposers": ["lab/f"], "aggregator": "sound/lead", "retries": 0, "timeout": 0.4},
    "after": {"proposers": ["sound/one"], "aggregator": "lab/f", "retries": 0, "timeout": 0.4},
    "best": {"proposers": ["sound/one"], "aggregator": "lab/f", "retries": 0, "on_no_aggregator": "best"},
}


def ask_all(upstream, base_url):
    providers = {"lab": {"base_url": base_url, "api_key": "k"}, "sound": {"base_url": upstream.base_url}}
    upstream.behaves["one"] = upstream.behaves["lead"] = f"say:{SAID}"
    app = configured(upstream, ensembles=ENSEMBLES, providers=providers, default="before")
    with hosted(app, overrides=True) as server:
        for name in ENSEMBLES:
            for more in ({}, {"stream": True}, {"stream": True, "moa": {"events": True}}):
                server.request("POST", "/v1/chat/completions", {**BODY, "model": name, **more})
        server.request("POST", "/v1/chat/completions", {**BODY, "model": ASKED, "temperature": 9})
        server.request("POST", "/v1/chat/completions", {**BODY, "model": "before", "temperature": ASKED})
        server.request("POST", "/v1/chat/completions", f'{{"messages": "{ASKED}'.encode())


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return caplog


def check(log):
    assert ASKED not in log.text
    assert SAID not in log.text


@pytest.mark.parametrize("reply", QUOTING.values(), ids=QUOTING)
def test_a_provider_that_quotes_the_request_does_not_get_it_logged(log, reply):
    with Upstream.in_thread() as up, echoing(reply) as mirror:
        ask_all(up, mirror)
    check(log)
    # That something failed, at which model and how, is there.
    assert "lab/f" in log.text
    assert "before" in log.text


def test_no_fault_puts_content_into_the_log(log):
    ensembles = {}
    with Upstream.in_thread() as up, ThreadPoolExecutor(32) as pool:
        for number, fault in enumerate(every_fault()):
            up.behaves[f"f{number}"] = f"{fault}+say:{SAID}"
            faulty = {"model": f"lab/f{number}", "timeout": 0.4, "temperature": 0}
            ensembles[f"before-{number}"] = {"proposers": [faulty], "aggregator": "lab/lead", "retries": 0}
            ensembles[f"after-{number}"] = {"proposers": ["lab/one"], "aggregator": faulty, "retries": 0}
        up.behaves["one"] = up.behaves["lead"] = f"say:{SAID}"
        with hosted(configured(up, ensembles=ensembles, default="after-0"), overrides=True) as server:
            chat = "/v1/chat/completions"
            bodies = [
                {**BODY, "model": name, "stream": stream} for name in ensembles for stream in (False, True)
            ]
            statuses = list(pool.map(lambda body: server.request("POST", chat, body).status, bodies))
    assert {200, 400, 429, 502, 504} <= set(statuses)
    check(log)


def test_debug_tells_what_the_provider_wrote(caplog):
    caplog.set_level(logging.DEBUG, logger="moakit.server")
    with Upstream.in_thread() as up, echoing(QUOTING["error"]) as mirror:
        ask_all(up, mirror)
    assert f"invalid: {HEARD}" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_name_of_the_clients_own_writes_no_line_of_its_own(caplog, stream):
    caplog.set_level(logging.DEBUG, logger="moakit.server")
    name = "lab/status:500\nERROR forged\r\u2028line\x1b[2J\x00\u202e" + "x" * 100_000
    with Upstream.in_thread() as up, hosted(configured(up, passthrough=True)) as server:
        up.behaves[name.partition("/")[2]] = "status:500+should_retry:false"
        assert server.chat(name, stream=stream).status == 502
    written = [record.getMessage() for record in caplog.records]
    assert len(written) == 2
    for line in written:
        assert line.isprintable()
        assert "lab/status:500 ERROR forged" in line
        assert len(line) < 5000
