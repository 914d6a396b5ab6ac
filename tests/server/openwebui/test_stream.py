"""The stream Open WebUI gets: its order, its statuses, its sources, its end."""

import asyncio
import re
import time

import pytest

from moakit.events import RunStarted
from moakit.layers import Agent
from moakit.run.journey import Journey
from moakit.server import outlet
from moakit.server.requests import Work
from tests.server.hosting import configured, hosted
from tests.server.openwebui.streams import OURS, chunks, events, pieces, say, send, shape, sources, statuses

TEAM = {"one": "say:first", "two": "say:second+sleep:0.15", "three": "say:third+sleep:0.3"}


def test_the_order_is_role_layer_proposals_sources_layer_answer_totals_finish_usage_done(up, served):
    up.behaves |= TEAM | {"lead": "tokens:3+pace:0.02"}
    reply = say(served)
    assert shape(reply) == [
        "role", "status", "reasoning_content", "status", "reasoning_content", "status", "reasoning_content",
        "status", "source", "status", "content", "done", "finish", "usage", "[DONE]",
    ]  # fmt: skip
    assert "".join(pieces(reply)) == "w1 w2 w3" and len(pieces(reply)) == 3


def test_the_statuses_tell_of_each_layer_and_each_proposer(up, served):
    up.behaves |= TEAM
    told = statuses(say(served))
    assert told[:-1] == [
        "Layer 1/2 · asking 3 proposers",
        "lab/one answered (1/3)",
        "lab/two answered (2/3)",
        "lab/three answered (3/3)",
        "Layer 2/2 · aggregating with lab/lead",
    ]  # fmt: skip
    assert re.fullmatch(r"\d\.\d s · \d+ tokens · \$0\.\d+ · 4 calls", told[-1])


def test_only_the_last_status_says_that_all_is_done(up, served):
    assert [status["done"] for status in events(say(served), "status")] == [False] * 5 + [True]


def test_each_proposal_is_one_chunk_of_reasoning_with_its_figures(up, served):
    up.behaves |= TEAM
    told = pieces(say(served), "reasoning_content")
    assert len(told) == 3
    assert re.fullmatch(r"#### lab/one · \d\.\d s · 1 token · \$0\.\d+\n\nfirst\n\n", told[0])


def test_sources_are_numbered_as_the_aggregator_reads_them_not_as_they_came(up, served):
    up.behaves |= {"one": "say:first+sleep:0.3", "two": "say:second+sleep:0.15", "three": "say:third"}
    reply = say(served)
    assert sources(reply) == [("lab/one", "first"), ("lab/two", "second"), ("lab/three", "third")]
    read = up.of("lead")[0].prompt
    assert read.index("first") < read.index("second") < read.index("third")


def test_sources_are_the_references_of_the_final_layer_only(up):
    deep = {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "layers": 3, "retries": 0}
    with hosted(configured(up, ensembles={"panel": deep})) as server:
        reply = say(server)
    assert [name for name, _ in sources(reply)] == ["lab/one", "lab/two"]
    assert [text.split(":")[0] for _, text in sources(reply)] == ["one #2", "two #2"]
    assert len(pieces(reply, "reasoning_content")) == 4
    told = statuses(reply)
    assert told[0] == "Layer 1/3 · asking 2 proposers" and told[3] == "Layer 2/3 · asking 2 proposers"
    assert told[6] == "Layer 3/3 · aggregating with lab/lead"


def test_reasoning_is_the_default_and_sources_go_with_it(up, served):
    assert len(sources(say(served))) == 3


@pytest.mark.parametrize(
    ("show", "reasoning", "details", "cited"),
    [("reasoning", 3, 0, 3), ("details", 0, 3, 3), ("sources", 0, 0, 3), ("none", 0, 0, 0)],
)
def test_show_proposers_says_how_they_are_shown(up, show, reasoning, details, cited):
    up.behaves |= TEAM | {"lead": "say:answer"}
    with hosted(configured(up, show_proposers=show)) as server:
        reply = say(server)
    told = pieces(reply)
    assert len(pieces(reply, "reasoning_content")) == reasoning
    assert len(told) == details + 1 and told[-1] == "answer"
    assert len(sources(reply)) == cited
    assert len(statuses(reply)) == 6


def test_details_are_one_chunk_each_whatever_the_proposer_wrote(up):
    up.behaves |= TEAM | {"one": "say:a_</details>_b_<details>_c", "lead": "say:answer"}
    with hosted(configured(up, show_proposers="details")) as server:
        told = pieces(say(server))
    assert all(piece.count("<details") == piece.count("</details>") == 1 for piece in told[:3])
    assert told[0].startswith('<details type="moa">\n<summary>lab/one · ')
    assert "a &lt;/details> b &lt;details> c" in told[0] and told[0].endswith("\n\n</details>\n\n")


def test_a_failed_proposer_is_a_status_and_no_source(up, served):
    up.behaves |= {"one": "status:429", "two": "say:second+sleep:0.15", "three": "status:500+sleep:0.3"}
    reply = say(served)
    told = statuses(reply)
    assert told[1:3] == ["lab/one failed: rate limited", "lab/two answered (1/3)"]
    assert told[3].startswith("lab/three failed: HTTP 500")
    assert told[-1].endswith("without lab/one, lab/three")
    assert sources(reply) == [("lab/two", "second")] and len(pieces(reply, "reasoning_content")) == 1


def test_a_repeated_call_is_a_status(up, served):
    up.behaves["one"] = "retry_after:0.05+times:1"
    assert any(
        told.startswith("lab/one: rate limited; again in 0.")
        for told in statuses(say(served, model="patient"))
    )


def test_a_proposer_left_behind_is_a_status(up):
    panel = {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "quorum": 1, "grace": 0.05}
    up.behaves |= {"two": "hang"}
    with hosted(configured(up, ensembles={"panel": panel})) as server:
        told = statuses(say(server))
    assert any(status.startswith("lab/two dropped: ") for status in told)


@pytest.mark.parametrize("fault", ["status:500", "tokens:4+cut:2", "tokens:4+error_in_stream:2"])
def test_an_error_of_the_aggregator_comes_after_a_last_status(up, served, fault):
    up.behaves |= TEAM | {"lead": fault}
    reply = say(served)
    assert shape(reply)[-2:] == ["done", "error"]
    last = events(reply, "status")[-1]
    assert last["done"] is True and last["description"] == "failed"
    assert chunks(reply)[-1]["error"]["type"] == "upstream_error"
    assert len(sources(reply)) == 3


def test_when_nobody_answers_the_last_status_and_the_error_say_so(up, served):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "status:500")
    reply = say(served)
    assert shape(reply)[-2:] == ["done", "error"]
    assert [status["done"] for status in events(reply, "status")][-1] is True


def test_the_usage_comes_without_being_asked_for(up, served):
    usage = chunks(say(served))[-1]["usage"]
    assert usage["total_tokens"] > 0 and usage["cost"] > 0 and len(usage["moa"]["calls"]) == 4


def test_a_model_by_itself_has_a_status_and_no_sources(up, served):
    reply = say(served, model="solo")
    told = statuses(reply)
    assert told[0] == "asking lab/lead" and len(told) == 2 and sources(reply) == []


def test_an_aggregator_without_references_answers_without_sources(up, served):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "status:500") | {"lead": "say:alone"}
    reply = say(served, model="alone")
    assert "".join(pieces(reply)) == "alone" and sources(reply) == []


def test_the_best_proposal_in_place_of_the_aggregator_has_its_sources(up, served):
    up.behaves |= TEAM | {"lead": "status:500"}
    reply = say(served, model="alone")
    assert shape(reply)[-4:] == ["done", "finish", "usage", "[DONE]"] and len(sources(reply)) == 3


def test_agents_in_order_are_layers_too(up):
    chain = {"layers": [{"model": "lab/one", "samples": 2}, "lab/lead"]}
    with hosted(configured(up, ensembles={"panel": chain})) as server:
        reply = say(server)
    told = statuses(reply)
    assert told[0] == "Layer 1/2 · asking 2 proposers" and told[2] == "lab/one answered (2/2)"
    assert told[3] == "Layer 2/2 · aggregating with lab/lead" and len(sources(reply)) == 2


def test_an_ensemble_as_a_proposer_counts_once(up):
    inner = {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/inner"}
    panel = {"proposers": [inner, "lab/three"], "aggregator": "lab/lead"}
    up.behaves |= {"three": "sleep:0.3"}
    with hosted(configured(up, ensembles={"panel": panel})) as server:
        reply = say(server)
    told = statuses(reply)
    assert told[0] == "Layer 1/2 · asking 2 proposers"
    assert set(told[1:3]) == {"lab/one answered", "lab/two answered"}
    assert told[3:6] == [
        "lab/inner answered (1/2)", "lab/three answered (2/2)", "Layer 2/2 · aggregating with lab/lead",
    ]  # fmt: skip
    assert [name for name, _ in sources(reply)] == ["lab/inner", "lab/three"]


def test_an_ensemble_as_the_final_layer_cites_what_its_own_aggregator_reads(up):
    last = {"proposers": ["lab/two", "lab/three"], "aggregator": "lab/lead"}
    chain = {"layers": [{"propose": ["lab/one"]}, last]}
    with hosted(configured(up, ensembles={"panel": chain})) as server:
        reply = say(server)
    assert [name for name, _ in sources(reply)] == ["lab/two", "lab/three"]


def test_a_long_silence_is_filled_with_comments(up, monkeypatch):
    monkeypatch.setattr(outlet, "SILENCE", 0.1)
    up.behaves |= {"one": "sleep:0.5", "two": "sleep:0.5", "three": "sleep:0.5"}
    with hosted(configured(up)) as server:
        reply = say(server)
    body = reply.body
    assert 2 <= body.count(b": keep-alive\n\n") <= 6
    assert body.index(b"asking 3") < body.index(b": keep-alive") < body.index(b"answered (1/3)")
    assert shape(reply)[-1] == "[DONE]"


def test_the_first_status_is_sent_at_once(up, served):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "sleep:0.5")
    connection = send(served, OURS)
    response = connection.getresponse()
    while b"asking 3 proposers" not in response.readline():
        pass
    while len(up.open) < 3:
        time.sleep(0.002)
    assert response.read().endswith(b"data: [DONE]\n\n")
    connection.close()


async def test_what_is_told_while_something_is_being_sent_goes_out_too():
    sent, gate = [], asyncio.Event()

    async def slow(message):
        sent.append(message.get("body", b""))
        await gate.wait()

    work = Work("m", Agent("demo/planner"), [], {}, stream=True, include_usage=False, events=True)
    out = outlet.Outlet(work, slow, report="total")
    out.attend(Journey())
    for name in ("first", "second"):
        out.read(RunStarted(run_id="r", path="", at=0.0, ensemble=name))
        await asyncio.sleep(0.01)
    gate.set()
    await asyncio.sleep(0.05)
    out.close()
    assert b"first" in b"".join(sent) and b"second" in b"".join(sent)


def test_a_selection_cites_what_its_judge_reads_and_its_choice_is_the_answer(up):
    up.behaves |= TEAM | {"judge": 'say:{"best": 2}'}
    chain = {"layers": [{"propose": ["lab/one", "lab/two"]}, {"best_of": "lab/judge"}]}
    with hosted(configured(up, ensembles={"panel": chain})) as server:
        reply = say(server)
    assert "".join(pieces(reply)) == "second"
    assert [name for name, _ in sources(reply)] == ["lab/one", "lab/two"]
    assert "Layer 2/2 · best of" in statuses(reply)


def test_a_verdict_that_could_not_be_used_is_a_status(up):
    up.behaves |= TEAM | {"judge": "say:hm"}
    chain = {"layers": [{"propose": ["lab/one", "lab/two"]}, {"best_of": "lab/judge"}]}
    with hosted(configured(up, ensembles={"panel": chain})) as server:
        told = statuses(say(server))
    assert "the judge's verdict could not be used: there is no JSON object in it" in told
