"""Whatever is sent, the answer is an answer or an error in OpenAI's shape, and never a 500."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moakit.server.app import create_app
from tests.server.hosting import asked, configured

SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(max_size=8)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT
ANY = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "wizard", ""])
PART = st.fixed_dictionaries({}, optional={"type": TEXT | ANY, "text": TEXT | ANY, "image_url": ANY}) | ANY
FUNCTION = st.fixed_dictionaries({}, optional={"name": TEXT | ANY, "arguments": TEXT | ANY})
CALL = st.fixed_dictionaries({}, optional={"id": TEXT | ANY, "type": ANY, "function": FUNCTION | ANY}) | ANY
MESSAGE = (
    st.fixed_dictionaries(
        {"role": ROLES},
        optional={
            "content": TEXT | st.lists(PART, max_size=3) | ANY,
            "name": ANY,
            "tool_call_id": TEXT | ANY,
            "tool_calls": st.lists(CALL, max_size=2) | ANY,
        },
    )
    | ANY
)
AGENT = st.sampled_from(["lab/x", "demo/none", "evil/x", "x", ""]) | st.fixed_dictionaries(
    {"model": st.just("lab/x") | ANY},
    optional={"temperature": ANY, "samples": ANY, "system": TEXT, "fallback": ANY, "extra": ANY, "seed": ANY},
)


def brief(value):
    return isinstance(value, int | float) and 0 < value < 10


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "events": st.booleans() | ANY,
        "proposers": st.lists(AGENT | ANY, max_size=3) | ANY,
        "aggregator": AGENT | ANY,
        "layers": st.integers(-1, 4) | st.lists(AGENT, max_size=2) | ANY,
        # A deadline that passes would be a 504, and rightly so.
        "deadline": (st.floats() | ANY).filter(lambda value: not brief(value)),
        "quorum": st.integers(0, 4) | ANY,
        "prompt": TEXT | ANY,
        "retries": ANY,
    },
)
QUESTION = {"role": "user", "content": "why"}
BODY = st.fixed_dictionaries(
    {"messages": st.just([QUESTION]) | st.lists(MESSAGE, max_size=4)},
    optional={
        "model": st.sampled_from(["panel", "deep", "solo", "gone"]) | ANY,
        "stream": st.booleans() | ANY,
        "stream_options": st.fixed_dictionaries({"include_usage": st.booleans() | ANY}) | ANY,
        "n": st.integers(0, 3) | ANY,
        "temperature": st.floats(0, 3) | ANY,
        "max_tokens": ANY,
        "seed": ANY,
        "tools": st.lists(ANY, max_size=2) | ANY,
        "response_format": ANY,
        "moa": CHANGES | ANY,
    },
) | st.dictionaries(TEXT, ANY, max_size=4)
ENSEMBLES = {
    "panel": {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "retries": 0},
    "deep": {"layers": [{"propose": ["lab/one"]}, {"residual": "lab/two"}, {"aggregate": "lab/lead"}]},
    "solo": {"model": "lab/lead"},
}


@pytest.fixture
def ask(up):
    """Send a body to the application, on one event loop for all examples."""
    app = create_app(configured(up, ensembles=ENSEMBLES, default="panel"))

    with asyncio.Runner() as runner:

        def ask(body):
            reply = runner.run(asyncio.wait_for(asked(app, "POST", "/v1/chat/completions", body), 10))
            assert reply.status == 200 or 400 <= reply.status < 500, (body, reply)
            if reply.status != 200:
                assert isinstance(reply.error["message"], str) and reply.error["type"]
            elif reply.headers["content-type"] == "application/json":
                assert reply.json["object"] == "chat.completion"
            else:
                assert reply.body.endswith(b"data: [DONE]\n\n"), (body, reply.body)
            return reply

        yield ask


@SETTINGS
@given(body=BODY)
def test_any_json_object(ask, body):
    ask(json.dumps(body).encode())


@SETTINGS
@given(message=MESSAGE, stream=st.booleans())
def test_any_message_in_a_conversation(ask, message, stream):
    body = {"model": "panel", "messages": [QUESTION, message, QUESTION], "stream": stream}
    ask(json.dumps(body).encode())


@SETTINGS
@given(changes=CHANGES, model=st.sampled_from(["panel", "deep", "solo"]))
def test_any_change_of_an_ensemble(ask, changes, model):
    ask(json.dumps({"model": model, "messages": [QUESTION], "moa": changes}).encode())


@SETTINGS
@given(body=st.binary(max_size=40) | ANY.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(ask, body):
    assert ask(body).status == 400


@SETTINGS
@given(data=st.data())
def test_a_good_body_with_some_bytes_changed(ask, data):
    body = bytearray(
        b'{"model":"panel","messages":[{"role":"user","content":"why \\u00e9 \\ud83d\\ude00"}],'
        b'"stream":false,"n":1,"temperature":0.5,"stop":["a"],"moa":{"layers":2,"events":false}}'
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    ask(bytes(body))
