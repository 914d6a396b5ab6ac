"""Proposers that fail: the answer comes from the others, in time, and says what it went without."""

import time

import pytest

USER = [{"role": "user", "content": "why"}]
FAULTS = {
    "status:401": ("failed", "AuthenticationFailed"),
    "status:500": ("failed", "BadResponse"),
    "retry_after:200": ("failed", "RateLimited"),
    "empty": ("failed", "BadResponse"),
    "filter": ("failed", "ContentFiltered"),
    "hang": ("cancelled", "CallError"),
}


def ask(client, model, *, stream):
    """The text, the usage and the headers of an answer."""
    create = client.chat.completions.with_raw_response.create
    if not stream:
        raw = create(model=model, messages=USER)
        answer = raw.parse()
        return answer.choices[0].message.content, answer.usage, raw.headers
    raw = create(model=model, messages=USER, stream=True, stream_options={"include_usage": True})
    *chunks, last = list(raw.parse())
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks), last.usage, raw.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_two_of_three_proposers_fail_and_the_answer_comes_in_time(up, client, fault, stream):
    up.behaves |= {"one": fault, "three": fault, "two": "say:only_me", "lead": "say:the_answer"}
    began = time.monotonic()
    text, usage, headers = ask(client, "quick", stream=stream)
    assert text == "the answer"
    assert time.monotonic() - began < 2.5  # its deadline is 2 s
    assert "only me" in up.of("lead")[0].prompt
    assert headers["x-moa-degraded"] == "true"
    assert usage.moa["degraded"] is True
    status, error = FAULTS[fault]
    calls = {call["model"]: call for call in usage.moa["calls"]}
    assert calls["lab/two"]["status"] == calls["lab/lead"]["status"] == "ok"
    for name in ("lab/one", "lab/three"):
        assert (calls[name]["status"], calls[name]["error"]) == (status, error)
        assert name in calls[name]["message"] and "lab-key" not in calls[name]["message"]
    # A call that was cut off may have been billed, nobody knows for how much.
    assert (usage.cost is None) == (fault in ("hang", "empty", "filter"))


@pytest.mark.parametrize("stream", [False, True])
def test_a_healthy_run_is_not_degraded(up, client, stream):
    _, usage, headers = ask(client, "panel", stream=stream)
    assert headers["x-moa-degraded"] == "false" and usage.moa["degraded"] is False


def test_the_aggregator_answers_alone_where_that_is_allowed(up, client):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "status:500") | {"lead": "say:alone"}
    text, usage, headers = ask(client, "alone", stream=False)
    assert (text, headers["x-moa-degraded"], usage.moa["degraded"]) == ("alone", "true", True)
    assert "reference" not in up.of("lead")[0].prompt


@pytest.mark.parametrize("stream", [False, True])
def test_the_best_proposal_stands_in_for_the_aggregator_where_that_is_allowed(up, client, stream):
    up.behaves |= {"one": "say:red", "two": "say:blue_sky", "three": "say:blue_sky", "lead": "status:500"}
    text, usage, headers = ask(client, "alone", stream=stream)
    assert (text, headers["x-moa-degraded"], usage.moa["degraded"]) == ("blue sky", "true", True)
