"""`moa.events`: every event of the run inside the stream, for those who ask, and for nobody else."""

import itertools
import json

import pytest

USER = [{"role": "user", "content": "why"}]
KINDS = {
    "RunStarted": {"ensemble"},
    "LayerStarted": {"name"},
    "CallStarted": {"model", "role", "left_out"},
    "Delta": {"text", "kind", "answer", "index", "data"},
    "CallRetried": {"error", "wait"},
    "CallFinished": {"response"},
    "CallFailed": {"error", "final"},
    "LayerFinished": {"responses", "dropped"},
    "RunFinished": {"answer"},
    "RunFailed": {"error"},
}


def told(reply):
    """The events in a stream, checked to be chunks of their own."""
    events = []
    for block in reply.body.decode().split("\n\n"):
        if block.startswith("data: {"):
            chunk = json.loads(block.removeprefix("data: "))
            if "moa_event" in chunk:
                assert chunk["choices"] == [] and chunk["object"] == "chat.completion.chunk"
                events.append(chunk["moa_event"])
    return events


def of(events, kind):
    return [event for event in events if event["type"] == kind]


def test_every_event_is_told_in_order_with_its_address(up, served):
    up.behaves |= {"two": "tokens:3", "lead": "say:the_answer"}
    events = told(served.chat(stream=True, moa={"events": True}))
    for event in events:
        assert event.keys() == {"type", "run_id", "path", "at"} | KINDS[event["type"]]
    assert len({event["run_id"] for event in events}) == 1
    assert all(earlier["at"] <= later["at"] for earlier, later in itertools.pairwise(events))
    assert events[0]["type"] == "RunStarted" and events[0]["ensemble"] == "panel"
    assert events[-1]["type"] == "RunFinished" and events[-1]["answer"]["text"] == "the answer"
    started = [(event["path"], event["model"], event["role"]) for event in of(events, "CallStarted")]
    assert started == [
        ("0.0", "lab/one", "proposer"), ("0.1", "lab/two", "proposer"), ("0.2", "lab/three", "proposer"),
        ("1.0", "lab/lead", "aggregator"),
    ]  # fmt: skip
    assert [(event["path"], event["name"]) for event in of(events, "LayerStarted")] == [
        ("0", "Proposers"), ("1", "Aggregator"),
    ]  # fmt: skip
    assert len(of(events, "CallFinished")) == 4 and len(of(events, "LayerFinished")) == 2


def test_proposers_tokens_are_told_and_are_not_the_answer(up, served):
    up.behaves |= {"two": "tokens:3+pace:0.05", "lead": "say:the_answer"}
    reply = served.chat(stream=True, moa={"events": True})
    events = told(reply)
    two = [event for event in of(events, "Delta") if event["path"] == "0.1"]
    assert "".join(event["text"] for event in two) == "w1 w2 w3" and len(two) > 1
    assert not any(event["answer"] for event in two)
    assert all(call.stream for call in up.calls)
    answer = [event["text"] for event in of(events, "Delta") if event["answer"]]
    assert "".join(answer) == "the answer"


def test_the_official_client_is_not_disturbed(up, client):
    up.behaves["lead"] = "say:the_answer"
    chunks = list(
        client.chat.completions.create(
            model="panel",
            messages=USER,
            stream=True,
            extra_body={"moa": {"events": True}},
            stream_options={"include_usage": True},
        )
    )
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == "the answer"
    assert any(getattr(chunk, "moa_event", None) for chunk in chunks)
    assert chunks[-1].usage.total_tokens > 0


def test_failures_and_retries_are_told_without_a_key(up, served):
    up.behaves |= {"one": "status:503+times:1", "two": "status:401", "lead": "say:yes"}
    reply = served.chat("patient", stream=True, moa={"events": True})
    events = told(reply)
    (retried,) = of(events, "CallRetried")
    assert retried["path"] == "0.0" and retried["error"]["type"] == "BadResponse" and retried["wait"] > 0
    (failed,) = of(events, "CallFailed")
    assert failed["path"] == "0.1" and failed["final"] is True
    assert failed["error"]["type"] == "AuthenticationFailed" and "HTTP 401" in failed["error"]["message"]
    assert of(events, "LayerFinished")[0]["dropped"] == 1
    assert b"lab-key" not in reply.body


@pytest.mark.parametrize("when", ["status:500", "tokens:4+cut:2"])
def test_a_failed_run_is_told_as_an_event_and_as_an_error(up, served, when):
    up.behaves["lead"] = when
    reply = served.chat(stream=True, moa={"events": True})
    assert reply.status == 200
    events = told(reply)
    assert events[-1]["type"] == "RunFailed" and events[-1]["error"]["type"] == "BadResponse"
    last = json.loads(reply.body.rpartition(b"data: ")[2])
    assert last["error"]["type"] == "upstream_error" and b"[DONE]" not in reply.body


def test_nobody_else_is_sent_an_event(up, served):
    for fields in ({}, {"moa": {}}, {"moa": {"events": False}}, {"moa": None}):
        reply = served.chat(stream=True, **fields)
        assert reply.status == 200 and b"moa_event" not in reply.body and b"RunStarted" not in reply.body
    assert b"moa_event" not in served.chat(moa={"events": True}).body


def test_events_of_an_answer_that_is_not_streamed_do_not_stream_the_proposers(up, served):
    assert served.chat(moa={"events": True}).json["object"] == "chat.completion"
    assert not any(call.stream for call in up.calls)
