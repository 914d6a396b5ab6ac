"""The server's addresses as an OpenAPI document: what each takes, what it answers, which statuses it has."""

from __future__ import annotations

from typing import Any

import msgspec

from moakit.config import reference
from moakit.config.schema import BudgetConfig, MoAConfig
from moakit.server.bounds import LISTS, MOST_MESSAGES, NUMBERS
from moakit.server.overrides import NEVER
from moakit.server.requests import ROLES

BASES = ("/v1", "/openwebui/v1")
"""Where the API stands: as OpenAI's, and with what Open WebUI is shown besides."""
_JSON = "application/json"
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_ANY_OBJECT = {"type": "object"}
_FAILURES = {
    "400": "the request cannot be understood, or the final model's provider rejected it",
    "401": "a key is missing, or not known",
    "402": "a budget was reached",
    "404": "no such model",
    "408": "the request did not arrive in time",
    "413": "the request is too large",
    "429": "the providers' rate limit",
    "500": "a defect of the server",
    "502": "a provider failed",
    "503": "the server shuts down",
    "504": "a deadline passed, or a timer of a call",
}


def document() -> dict[str, Any]:
    """Return the document, in OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for base in BASES:
        paths[f"{base}/chat/completions"] = {"post": _chat(base)}
        paths[f"{base}/models"] = {
            "get": _operation(f"List the models ({base})", {"200": _of("Models")}, "401", "500")
        }
        name = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
        one = _operation(f"Describe a model ({base})", {"200": _of("Model")}, "401", "404", "500")
        paths[f"{base}/models/{{id}}"] = {"get": {**one, "parameters": [name]}}
    for path, what in (("/livez", "Say whether the process lives"), ("/readyz", "Say whether it takes work")):
        plain = {"description": what, "content": {"text/plain": {"schema": _TEXT}}}
        answers = {"200": plain, **({"503": plain} if path == "/readyz" else {})}
        paths[path] = {"get": {"summary": what, "security": [], "responses": answers}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "moakit", "version": "1", "description": "Ensembles as OpenAI-compatible models."},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted(_schemas().items())),
        },
    }


def _chat(base: str) -> dict[str, Any]:
    # OpenAPI 3.1 has no words for what the events of a stream are.
    stream: dict[str, Any] = {"text/event-stream": {}}
    answer = {"description": "the answer", "content": {**_of("Completion")["content"], **stream}}
    return {
        **_operation(f"Ask a model ({base})", {"200": answer}, *_FAILURES),
        "requestBody": {"required": True, "content": _of("Request")["content"]},
    }


def _operation(summary: str, answers: dict[str, Any], *failures: str) -> dict[str, Any]:
    told = {
        status: {"description": _FAILURES[status], "content": _of("Failure")["content"]}
        for status in failures
    }
    return {"summary": summary, "responses": {**answers, **told}}


def _of(name: str) -> dict[str, Any]:
    return {"description": name, "content": {_JSON: {"schema": _ref(name)}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    nullable = {"type": ["string", "null"]}
    error = {"message": _TEXT, "type": _TEXT, "param": nullable, "code": nullable}
    usage = {
        **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _COUNT),
        "cost": {"type": ["number", "null"]},
        "moa": _object({"run_id": _TEXT, "degraded": {"type": "boolean"}, "calls": _list(_ANY_OBJECT)}),
    }
    message = {"role": {"const": "assistant"}, "content": nullable}
    choice = {"index": _COUNT, "message": _object(message), "finish_reason": _TEXT}
    completion = {
        "id": _TEXT, "object": {"const": "chat.completion"}, "created": _COUNT, "model": _TEXT,
        "choices": {**_list(_object(choice)), "minItems": 1}, "usage": _object(usage),
    }  # fmt: skip
    model = {
        "id": _TEXT, "object": {"const": "model"}, "created": _COUNT, "owned_by": _TEXT, "name": _TEXT,
        "description": _TEXT, "info": _ANY_OBJECT,
    }  # fmt: skip
    return {
        "Request": _request(),
        "Message": _message(),
        "Completion": _object(completion),
        "Models": _object({"object": {"const": "list"}, "data": _list(_ref("Model"))}),
        "Model": _object(model),
        "Failure": _object({"error": _object(error)}),
        "Changes": _changes(),
        BudgetConfig.__name__: _definitions()[BudgetConfig.__name__],
    }


def _request() -> dict[str, Any]:
    whole = {"type": ["integer", "null"]}
    numbers = {
        name: {
            **(whole if bounds.whole else {"type": ["number", "null"]}),
            "minimum": bounds.low,
            "maximum": bounds.high,
        }
        for name, bounds in NUMBERS.items()
    }
    options = {"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}}}
    return {
        "type": "object",
        "description": "OpenAI's request; what is not named here goes to the final model as it is.",
        "required": ["messages"],
        "properties": {
            "model": {**_TEXT, "description": "an ensemble; the default one when it is missing"},
            "messages": {**_list(_ref("Message")), "minItems": 1, "maxItems": MOST_MESSAGES},
            "stream": {"type": ["boolean", "null"]},
            "stream_options": options,
            **numbers,
            **{name: {"maxItems": most} for name, most in LISTS.items()},
            "moa": {"anyOf": [_ref("Changes"), {"type": "null"}]},
        },
        "not": {"anyOf": [{"required": [name]} for name in sorted(NEVER)]},
    }


def _message() -> dict[str, Any]:
    part = {"type": "object", "required": ["type"], "properties": {"type": _TEXT}}
    call = {"type": "object", "properties": {"function": {"type": ["object", "null"]}}}
    return {
        "type": "object",
        "required": ["role"],
        "properties": {
            "role": {"enum": sorted(ROLES)},
            "content": {"anyOf": [_TEXT, _list(part), {"type": "null"}]},
            "tool_calls": {"anyOf": [_list(call), {"type": "null"}]},
        },
    }


def _changes() -> dict[str, Any]:
    """Return what a request may change: the keys of an ensemble's short form, of which none is required."""
    short = _definitions()[MoAConfig.__name__]["properties"]
    for field in msgspec.structs.fields(MoAConfig):
        if field.default is None:
            # A file has no null, a request may.
            short[field.name] = {"anyOf": [short[field.name], {"type": "null"}]}
    layers = {"anyOf": [_TEXT, _ANY_OBJECT]}
    open_ones = {
        "proposers": _list(layers),
        "aggregator": layers,
        "bench": {"anyOf": [_list(layers), {"type": "null"}]},
        "fallback": {"anyOf": [layers, _list(layers), {"type": "null"}]},
    }
    return {
        "type": "object",
        "description": "Changes of the ensemble for this request; `events` streams what the run does.",
        "properties": {"events": {"type": ["boolean", "null"]}, **short, **open_ones},
        "additionalProperties": False,
    }


def _definitions() -> dict[str, Any]:
    """Return the configuration's tables as schemas of this document."""
    text = msgspec.json.encode(reference.json_schema()["$defs"])
    tables: dict[str, Any] = msgspec.json.decode(text.replace(b"#/$defs/", b"#/components/schemas/"))
    return tables


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}
