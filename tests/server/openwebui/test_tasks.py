"""Background tasks: one small call, known by header everywhere, by wording from Open WebUI alone."""

import pytest

from tests.server.hosting import configured, hosted
from tests.server.openwebui.streams import MERGE, OURS, PLAIN, TITLE, chunks, pieces, say, shape

PRICES = {"one": 3, "two": 1, "three": 2, "lead": 9}


def priced(up, **options):
    lab = {"base_url": up.base_url, "api_key": "${LAB_KEY}", "price": PRICES}
    return configured(up, providers={"lab": lab}, **options)


def asked(up):
    return [call.model for call in up.calls]


@pytest.mark.parametrize("path", [OURS, PLAIN])
@pytest.mark.parametrize(
    "task", ["title_generation", "tags_generation", "follow_up_generation", "query_generation"]
)
def test_the_header_makes_one_call_for_every_client(up, path, task):
    with hosted(priced(up)) as server:
        reply = say(server, "anything", path=path, stream=False, headers={"X-MoA-Task": task})
    assert reply.json["object"] == "chat.completion" and asked(up) == ["two"]


@pytest.mark.parametrize("value", ["", "{{TASK}}"])
def test_an_empty_header_is_a_chat(up, value):
    with hosted(priced(up)) as server:
        say(server, headers={"X-MoA-Task": value})
    assert len(up.calls) == 4


def test_the_wording_makes_one_call_with_the_dialect(up):
    with hosted(priced(up)) as server:
        say(server, TITLE, stream=False)
    assert asked(up) == ["two"]


def test_a_system_prompt_beside_it_does_not_hide_a_task(up):
    with hosted(priced(up)) as server:
        say(
            server,
            [{"role": "system", "content": "be brief"}, {"role": "user", "content": TITLE}],
            stream=False,
        )
    assert asked(up) == ["two"]


@pytest.mark.parametrize(
    "changed",
    [
        {"text": TITLE, "stream": True},
        {"text": TITLE.replace("### Task:", "Task:"), "stream": False},
        {"text": "### Task: paint the wall", "stream": False},
        {
            "text": [
                {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                {"role": "user", "content": TITLE},
            ],
            "stream": False,
        },
    ],
)  # fmt: skip
def test_what_only_resembles_a_task_is_a_chat(up, changed):
    with hosted(priced(up)) as server:
        say(server, **changed)
    assert len(up.calls) == 4


def test_the_task_model_answers_when_there_is_one(up):
    with hosted(priced(up, task_model="lab/small")) as server:
        say(server, TITLE, stream=False)
    assert asked(up) == ["small"]


def test_the_aggregator_answers_when_a_price_is_unknown(up, served):
    say(served, TITLE, model="unpriced", stream=False)
    assert asked(up) == ["lead"]


def test_the_member_answers_without_its_role_in_the_ensemble(up):
    cheap = {"model": "lab/two", "system": "You are a pirate", "samples": 3, "temperature": 1.5}
    panel = {"proposers": ["lab/one", cheap], "aggregator": "lab/lead"}
    with hosted(priced(up, ensembles={"panel": panel})) as server:
        assert say(server, TITLE, stream=False).status == 200
    (call,) = up.calls
    assert call.model == "two" and "pirate" not in call.prompt and "temperature" not in call.body


def test_the_ensembles_settings_hold_for_a_task(up, served):
    up.behaves["lead"] = "status:500"
    reply = say(served, TITLE, model="unpriced", stream=False)
    assert reply.status == 502 and len(up.calls) == 1


@pytest.mark.parametrize("headers", [{}, {"X-MoA-Task": "moa_response_generation"}])
def test_merging_streams_from_the_aggregator_alone(up, headers):
    up.behaves["lead"] = "tokens:5+pace:0.02"
    panel = {"proposers": ["lab/one", "lab/two"], "aggregator": {"model": "lab/lead", "system": "Be exact"}}
    with hosted(priced(up, ensembles={"panel": panel}, task_model="lab/small")) as server:
        reply = say(server, MERGE, headers=headers)
    assert asked(up) == ["lead"] and "Be exact" in up.calls[0].prompt
    assert "".join(pieces(reply)) == "w1 w2 w3 w4 w5" and len(pieces(reply)) == 5
    assert shape(reply)[0] == "role" and not any("event" in chunk for chunk in chunks(reply))


def test_merging_is_never_empty(up, served):
    up.behaves["lead"] = "empty"
    reply = say(served, MERGE)
    assert reply.status == 502 and "empty answer" in reply.error["message"]


def test_another_clients_merge_prompt_gets_the_ensemble(up, served):
    say(served, MERGE, path=PLAIN)
    assert len(up.calls) == 4


def test_a_model_by_itself_answers_its_own_tasks(up, served):
    say(served, TITLE, model="solo", stream=False)
    assert asked(up) == ["lead"]
