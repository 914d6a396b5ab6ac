"""Who gets the dialect, and that nobody else sees a byte of it."""

import json

import openai
import pytest

from tests.server.hosting import configured, hosted
from tests.server.openwebui.streams import OURS, PLAIN, TITLE, pieces, say, shape, sources
from tests.server.serving import KEY

FIELDS = (b'"event"', b"reasoning_content", b"<details", b'"status","data"', b"asking ", b'"source"')
CHAT_ID = {"X-OpenWebUI-Chat-Id": "b2f9"}
CLIENT = {"X-MoA-Client": "openwebui"}


def spoken(reply):
    return b'"event":{"type":"status"' in reply.body


@pytest.mark.parametrize("headers", [CHAT_ID, CLIENT, {"x-moa-client": "OpenWebUI"}])
def test_a_header_switches_it_on(up, served, headers):
    assert spoken(say(served, path=PLAIN, headers=headers))


@pytest.mark.parametrize("headers", [{}, {"X-MoA-Client": "other"}, {"X-OpenWebUI-Chat-Id": "{{CHAT_ID}}"}])
def test_without_one_nobody_sees_a_byte_of_it(up, served, headers):
    reply = say(served, path=PLAIN, headers=headers)
    assert not any(field in reply.body for field in FIELDS)
    assert shape(reply) == ["role", "content", "finish", "[DONE]"]


@pytest.mark.parametrize(
    ("mode", "plain", "chat"), [("auto", False, True), ("always", True, True), ("never", False, False)]
)
def test_the_setting_holds_under_v1_alone(up, mode, plain, chat):
    with hosted(configured(up, openwebui=mode)) as server:
        assert spoken(say(server, path=PLAIN)) is plain
        assert spoken(say(server, path=PLAIN, headers=CHAT_ID)) is chat
        assert spoken(say(server, path=OURS))


@pytest.mark.parametrize(("way", "cited"), [("none", 0), ("sources", 3), ("nonsense", 3)])
def test_a_header_says_how_the_proposers_are_shown(up, served, way, cited):
    reply = say(served, headers={"X-MoA-Show-Proposers": way})
    assert len(sources(reply)) == cited
    assert len(pieces(reply, "reasoning_content")) == (3 if way == "nonsense" else 0)


def test_an_answer_that_is_not_streamed_is_a_plain_one(up, served):
    reply = say(served, stream=False)
    assert reply.json["object"] == "chat.completion" and not any(field in reply.body for field in FIELDS)


def test_the_official_client_reads_the_dialect_too(up, served):
    up.behaves["lead"] = "say:the_answer"
    base = served.base_url.replace("/v1", "/openwebui/v1")
    with openai.OpenAI(base_url=base, api_key=KEY) as client:
        user = [{"role": "user", "content": "why"}]
        stream = client.chat.completions.create(model="panel", messages=user, stream=True)
        told = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(told) == "the answer"
        assert client.models.list().data[0].id == "panel"


def test_its_address_asks_for_the_key_too(up, served):
    body = {"model": "panel", "messages": [{"role": "user", "content": "why"}]}
    for method, path in (("POST", OURS), ("GET", "/openwebui/v1/models")):
        assert served.request(method, path, body, key=None).status == 401
    assert up.calls == []


def test_an_unknown_model_keeps_its_status(up, served):
    assert say(served, model="pannel").status == 404


@pytest.mark.parametrize("stream", [True, False])
def test_another_clients_own_task_prompt_gets_the_ensemble(up, served, stream):
    assert say(served, TITLE, path=PLAIN, stream=stream).status == 200
    assert len(up.calls) == 4


def test_events_can_be_asked_for_beside_it(up, served):
    reply = say(served, moa={"events": True})
    assert spoken(reply) and b'"moa_event"' in reply.body and reply.body.endswith(b"data: [DONE]\n\n")


def test_nothing_of_an_upstreams_event_is_relayed(up, served, hostile):
    for path in (OURS, PLAIN):
        with hosted(hostile) as server:
            reply = say(server, path=path)
            assert "".join(pieces(reply)) == "good answer"
            assert b"execute" not in reply.body and b"alert" not in reply.body
            assert b"execute" not in say(server, path=path, stream=False).body
            if path == OURS:
                assert len(sources(reply)) == 1


def test_the_models_are_listed_under_both_addresses(up, served):
    ours = served.request("GET", "/openwebui/v1/models").json
    assert ours == served.request("GET", "/v1/models").json
    meta = ours["data"][0]["info"]["meta"]
    assert meta["description"] == "Three models, and one that leads" and meta["suggestion_prompts"] == []
    assert meta["capabilities"] == {
        "usage": True, "builtin_tools": False, "citations": True, "status_updates": True, "vision": True,
        "file_context": True,
    }  # fmt: skip
    assert served.request("GET", "/openwebui/v1/models/panel").json["id"] == "panel"
    assert json.dumps(ours).count('"owned_by": "moakit"') == len(ours["data"])
