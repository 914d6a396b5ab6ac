"""What docs/openapi.json says of the server is so."""

import json
import re
from typing import Any

import pytest

from moakit.server.app import create_app
from moakit.server.openapi import document
from tests.docs.schema import violations
from tests.server.hosting import configured

DOCUMENT = document()
# The little checker of schemas reads references as a JSON schema of its own has them.
SCHEMAS = json.loads(
    json.dumps(DOCUMENT["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/")
)
QUESTION = {"role": "user", "content": "why"}


def departures(value: Any, name: str) -> list[str]:
    return violations(value, {"$ref": f"#/$defs/{name}", "$defs": SCHEMAS})


def test_every_address_and_method_is_described_and_no_other(up):
    routes = create_app(configured(up)).routes
    served = {
        (re.sub(r"\{(\w+):path\}", r"{\1}", route.path), method.lower())
        for route in routes
        for method in route.methods
        if method != "HEAD"
    }
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == served


def test_answers_are_as_described(served):
    assert departures(served.chat().json, "Completion") == []
    assert departures(served.request("GET", "/v1/models").json, "Models") == []
    assert departures(served.request("GET", "/v1/models/panel").json, "Model") == []
    assert departures(served.chat(model="gone").json, "Failure") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 2, "top_p": 1, "n": 16, "max_tokens": 1, "stream": None, "stop": ["a"]},
        {"moa": {"deadline": 9, "prompt": "together", "proposers": ["lab/one", {"model": "lab/two"}]}},
        {
            "moa": {"events": None, "fallback": "lab/one", "retries": 0, "prompt": None, "quorum": None},
            "stream_options": {"include_usage": None},
        },
        {"messages": [QUESTION, {"role": "tool", "content": [{"type": "text", "text": "a"}]}]},
    ],
)
def test_what_it_describes_is_taken(served, fields):
    body = {"model": "panel", "messages": [QUESTION], **fields}
    assert departures(body, "Request") == []
    assert served.request("POST", "/v1/chat/completions", body).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [QUESTION] * 10_001},
        {"messages": [{"content": "why"}]},
        {"messages": [{"role": "wizard", "content": "why"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
        {"messages": [{"role": "user", "tool_calls": [5]}]},
        {"temperature": 2.5},
        {"top_p": -1},
        {"n": 17},
        {"max_tokens": 0},
        {"max_completion_tokens": 1.5},
        {"stream": "yes"},
        {"stream_options": []},
        {"stream_options": {"include_usage": {}}},
        {"moa": 5},
        {"moa": {"deadline": 0}},
        {"moa": {"layrs": 2}},
        {"moa": {"layers": None}},
        {"moa": {"prompt": 5}},
        {"model": 5},
        {"base_url": "http://x"},
    ],
    ids=str,
)
def test_what_it_excludes_is_refused(served, fields):
    body = {"model": "panel", "messages": [QUESTION], **fields}
    assert departures(body, "Request")
    assert served.request("POST", "/v1/chat/completions", body).status == 400
