"""What a run tells, as plain data."""

import json

import pytest

from moakit import events
from moakit.errors import BadResponse, NotEnoughResponses, RateLimited
from moakit.events import to_mapping
from moakit.types import Answer, Response, Usage

WHERE = {"run_id": "run_1", "path": "0.2#1", "at": 0.5}
RESPONSE = Response(text="a", model="lab/m", usage=Usage(1, 2, 3), extra={"logprobs": {"content": [None]}})
ONE_OF_EACH = [
    events.RunStarted(ensemble="panel", **WHERE),
    events.LayerStarted(name="Proposers", **WHERE),
    events.CallStarted(model="lab/m", role="proposer", **WHERE),
    events.Delta(text="é", **WHERE),
    events.CallRetried(error=RateLimited("slow", model="lab/m"), wait=0.5, **WHERE),
    events.CallFinished(response=RESPONSE, **WHERE),
    events.CallFailed(error=BadResponse("cut", model="lab/m"), final=True, **WHERE),
    events.Judged(verdict={"scores": [1, 2.5]}, **WHERE),
    events.LayerFinished(responses=(RESPONSE,), dropped=1, **WHERE),
    events.RunFinished(answer=Answer(text="a", response=RESPONSE), **WHERE),
    events.RunFailed(error=NotEnoughResponses("0 of 2", [BadResponse("cut", model="lab/m")]), **WHERE),
]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_every_event_is_json_with_its_type_and_place(event):
    mapping = json.loads(json.dumps(to_mapping(event)))
    assert mapping["type"] == type(event).__name__
    assert WHERE.items() <= mapping.items()


def test_each_event_is_shown_here():
    assert {type(event) for event in ONE_OF_EACH} == set(events.Event.__args__)


def test_an_error_is_told_by_its_class_and_message():
    assert to_mapping(ONE_OF_EACH[6])["error"] == {"type": "BadResponse", "message": "lab/m: cut"}
    assert to_mapping(ONE_OF_EACH[10])["error"] == {
        "type": "NotEnoughResponses",
        "message": "0 of 2: lab/m: cut",
    }


def test_a_delta_has_its_fields():
    delta = events.Delta(
        text="", kind="tool", answer=True, index=1, data={"tool_calls": [{"index": 0}]}, **WHERE
    )
    assert to_mapping(delta) == {
        "type": "Delta",
        "text": "",
        "kind": "tool",
        "answer": True,
        "index": 1,
        "data": {"tool_calls": [{"index": 0}]},
        **WHERE,
    }


def test_a_response_has_its_fields():
    told = to_mapping(ONE_OF_EACH[5])["response"]
    assert told["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
    }
    assert (told["text"], told["cost"], told["extra"]) == ("a", None, RESPONSE.extra)


def test_an_event_cannot_be_changed():
    with pytest.raises(AttributeError):
        ONE_OF_EACH[3].text = "b"
