"""Stand-alone: the plugin runs the ensemble itself."""

import time

import pytest

from tests.article import LEAD, ONE, THREE, TWO
from tests.integrations.pipelines.conftest import GROQ, MODEL
from tests.upstream.calls import text_of

TITLE = "### Task:\nGenerate a title\n### Chat History:\nx"


def test_a_chat_shows_the_proposers_at_work(chat, env):
    env.upstreams[0].behaves[LEAD] = "say:the_answer"
    answer = chat()
    assert answer.said() == "the answer"
    for model in (ONE, TWO, THREE):
        assert f"{model} #1: why" in answer.said("reasoning_content")
    statuses = answer.events("status")
    assert statuses[0]["description"] == "Layer 1/2 · asking 3 proposers"
    assert [status["done"] for status in statuses] == [False] * (len(statuses) - 1) + [True]
    names = [source["source"]["name"] for source in answer.events("source")]
    assert [name.partition("/")[2] for name in names] == [ONE, TWO, THREE]
    (usage,) = [chunk["usage"] for chunk in answer.chunks if "usage" in chunk]
    assert len(usage["moa"]["calls"]) == 4


def test_an_answer_that_begins_with_data_is_text(chat, env):
    env.upstreams[0].behaves[LEAD] = "say:data:_one"
    assert chat().said() == "data: one"


def test_our_own_decorations_are_taken_out_of_the_history(ask, env):
    old = '<details type="moa"><summary>m</summary>\n\nproposed\n\n</details>\n\n<think>hm</think>the answer'
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": old},
        {"role": "user", "content": "two"},
    ]
    ask(messages=messages)
    for call, _ in env.calls:
        assert text_of(call.messages[-2]) == "the answer"


def test_the_merge_button_streams_from_the_aggregator_alone(chat, env):
    prompt = (
        "You have been provided with a set of responses from various models to the latest user query: why"
    )
    assert chat(prompt).said()
    assert env.models == [LEAD]


def test_a_failed_title_is_empty_and_a_failed_chat_says_why(ask, env):
    for upstream in env.upstreams:
        upstream.behaves |= dict.fromkeys((LEAD, ONE, TWO, THREE), "status:400")
    assert ask(TITLE) == ""
    assert ask().startswith("**Error:** ")


def test_titles_may_have_a_model_of_their_own(ask, env, host):
    host.update_valves(GROQ, TASK_MODEL=f"groq/{ONE}")
    assert ONE in ask(TITLE)
    assert env.models == [ONE]


def test_a_wrong_task_model_is_named_in_the_log(ask, host, caplog):
    host.update_valves(GROQ, TASK_MODEL="nowhere/x")
    assert ask(TITLE) == ""
    assert "nowhere" in caplog.text
    assert LEAD in ask()


def test_partial_text_stays_when_the_answer_breaks(chat, env):
    env.upstreams[0].behaves[LEAD] = "tokens:9+error_in_stream:3"
    answer = chat()
    assert answer.said() == "w1 w2 w3"
    assert LEAD in answer.error


@pytest.mark.parametrize(("name", "value"), [("DEADLINE", "soon"), ("GROQ_LAYERS", "many")])
def test_a_wrong_valve_is_named_in_the_chat(chat, ask, host, name, value):
    host.update_valves(GROQ, **{name: value})
    assert f"{name} = {value!r}" in chat().error
    assert f"{name} = {value!r}" in ask()


def test_valves_win_over_the_file(ask, env, host):
    host.update_valves(
        GROQ, GROQ_MODEL_REFERENCE_3="none", GROQ_AGENTS_PER_LAYER=2, GROQ_DEFAULT_TEMPERATURE=0.4,
        GROQ_MODEL_REFERENCE_2="other", GROQ_MULTITURN=False,
    )  # fmt: skip
    ask(messages=[{"role": "user", "content": text} for text in ("Aachen", "Bonn")])
    assert sorted(env.models[:2]) == sorted([ONE, "other"])
    assert env.models[2:] == [LEAD]
    assert {call.body["temperature"] for call, _ in env.calls} == {0.4}
    assert all("Aachen" not in call.prompt for call, _ in env.calls)


def test_a_new_valve_counts_from_the_next_request(ask, env, host):
    ask()
    env.reset()
    host.update_valves(
        GROQ,
        GROQ_MODEL_AGGREGATE=ONE,
        GROQ_MODEL_AGGREGATE_API_BASE=env.upstreams[1].base_url,
        GROQ_MODEL_AGGREGATE_API_KEY="gsk_key2",
    )
    ask()
    assert env.models[-1] == ONE


def test_the_deadline_ends_a_chat(chat, env, host):
    host.update_valves(GROQ, DEADLINE=0.5)
    for model, number in ((ONE, 1), (TWO, 2), (THREE, 0)):
        env.upstreams[number].behaves[model] = "hang"
    began = time.monotonic()
    assert chat().error
    assert time.monotonic() - began < 3


def test_proposers_may_stay_hidden(chat, host):
    host.update_valves(GROQ, SHOW_PROPOSERS="none")
    answer = chat()
    assert answer.said("reasoning_content") == ""
    assert answer.events("source") == []


@pytest.mark.parametrize(("valve", "sent"), [("ignore", False), ("forward", True)])
def test_tools_are_forwarded_only_when_asked_for(ask, env, host, valve, sent):
    host.update_valves(GROQ, TOOLS=valve)
    ask(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
    (last,) = [call for call, _ in env.calls if call.model == LEAD]
    assert ("tools" in last.body) is sent


def test_images_reach_the_models(ask, env):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    ask(messages=[{"role": "user", "content": [{"type": "text", "text": "what is it"}, picture]}])
    assert all("data:image/png;base64,AAAA" in str(call.body["messages"]) for call, _ in env.calls)


def test_a_host_that_closes_the_stream_cancels_every_call(host, env):
    for upstream in env.upstreams:
        upstream.behaves[LEAD] = "tokens:500+pace:0.05"
    lines = host.call(MODEL, {"stream": True, "messages": [{"role": "user", "content": "why"}]})
    for line in lines:
        if "w2" in line:
            break
    lines.close()
    for upstream in env.upstreams:
        upstream.wait_idle(2)
    assert [call.status for call, _ in env.calls if call.model == LEAD] == ["aborted"]


def test_the_ollama_plugin_reads_its_own_prefix(ask, env, tmp_path):
    (tmp_path / ".env").write_text(env.env("OLLAMA"))
    assert LEAD in ask(model="openwebui_pipeline_ollama.moa-ollama")
    env.check()
    assert len(env.calls) == 4
