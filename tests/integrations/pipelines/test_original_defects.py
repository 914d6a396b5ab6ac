"""What the original plugin of the article got wrong, one test each."""

import concurrent.futures
import logging
import time

from tests.article import LEAD, ONE, THREE, TWO
from tests.integrations.pipelines.conftest import GROQ, MODEL
from tests.upstream.calls import text_of


def everywhere(env, behaviour):
    for upstream in env.upstreams:
        upstream.behaves.update(dict.fromkeys((LEAD, ONE, TWO, THREE), behaviour))


def test_proposers_called_one_after_another(ask, env):
    everywhere(env, "say:ok+sleep:0.3")
    ask()
    starts = [call.at for call, _ in env.calls]
    assert max(starts[:3]) - min(starts[:3]) < 0.2
    assert starts[3] - starts[0] > 0.25


def test_layers_and_agents_per_layer_read_and_never_used(ask, env, host):
    host.update_valves(GROQ, GROQ_LAYERS="2", GROQ_AGENTS_PER_LAYER="2")
    ask()
    assert [sorted(env.models[:2]), sorted(env.models[2:4]), env.models[4:]] == [
        sorted([ONE, TWO]),
        sorted([THREE, ONE]),
        [LEAD],
    ]


def test_per_model_base_url_and_key_ignored(ask, env):
    ask()
    assert len(env.calls) == 4
    env.check()


def test_one_history_shared_by_every_user_and_chat(ask, env):
    texts = [f"secret-{number}" for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, texts))
    ask("the next user's question")
    assert len(env.calls) == 36
    for call, _ in env.calls:
        assert sum(text in call.prompt for text in [*texts, "the next user's question"]) == 1


def test_joined_references_numbered_character_by_character(ask, env):
    everywhere(env, "say:a_whole_answer")
    ask()
    (last,) = [call for call, _ in env.calls if call.model == LEAD]
    assert last.prompt.count("a whole answer") == 3


def test_a_failed_request_retried_for_ever_without_a_pause(chat, env):
    env.upstreams[0].behaves[LEAD] = "status:503"
    began = time.monotonic()
    answer = chat()
    tries = [call.at for call, _ in env.calls if call.model == LEAD]
    assert len(tries) == 3
    assert tries[-1] - tries[0] > 0.05
    assert time.monotonic() - began < 20
    assert LEAD in answer.error


def test_no_streaming(host, env):
    env.upstreams[0].behaves[LEAD] = "tokens:8+pace:0.1"
    body = {"stream": True, "messages": [{"role": "user", "content": "why"}]}
    arrived = [(time.monotonic(), line) for line in host.call(MODEL, body)]
    pieces = [at for at, line in arrived if '"content": "w' in line or '"content": " w' in line]
    assert len(pieces) == 8
    assert pieces[-1] - pieces[0] > 0.5


def test_titles_and_tags_each_costing_a_whole_ensemble(ask, env):
    for task in ("Generate a concise title", "Generate 1-3 broad tags"):
        env.reset()
        text = f"### Task:\n{task}\n### Chat History:\n<chat_history>\nUSER: why\n</chat_history>"
        assert ask(text)
        assert len(env.calls) == 1


def test_the_system_prompt_parameters_and_history_ignored(ask, env):
    messages = [
        {"role": "system", "content": "Talk like a pirate"},
        {"role": "user", "content": "first question"},
        {"role": "assistant", "content": "first answer"},
        {"role": "user", "content": "second question"},
    ]
    ask(messages=messages, temperature=0.1, max_tokens=77, chat_id="c-1", metadata={"a": 1})
    for call, _ in env.calls:
        assert [message["role"] for message in call.messages] == ["system", "user", "assistant", "user"]
        assert "Talk like a pirate" in text_of(call.messages[0])
        assert text_of(call.messages[1]) == "first question"
        assert not {"user", "chat_id", "metadata"} & call.body.keys()
    (last,) = [call for call, _ in env.calls if call.model == LEAD]
    assert (last.body["temperature"], last.body["max_tokens"]) == (0.1, 77)


def test_api_keys_in_the_log(chat, host, env, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    host.update_valves(GROQ, GROQ_MODEL_REFERENCE_1_API_KEY="gsk_wrong")
    answer = chat()
    assert answer.said()
    host.update_valves(GROQ, MODE="proxy", API_KEY="gsk_proxy\n\u00e9", BASE_URL="http://127.0.0.1:9/v1")
    assert "API_KEY" in chat().error
    host.update_valves(GROQ, API_KEY="gsk_proxy")
    assert "no answer" in chat().error
    shown = "".join([caplog.text, *capfd.readouterr(), *host.printed, *answer.lines])
    assert "gsk_" not in shown


def test_no_start_at_all_when_one_variable_is_missing(chat, ask, host, tmp_path):
    (tmp_path / ".env").write_text("")
    host.reload()
    assert set(host.plugins) == {GROQ, "openwebui_pipeline_ollama"}
    assert "GROQ_MODEL_AGGREGATE" in chat().error
    assert "OLLAMA_MODEL_AGGREGATE" in ask(model="openwebui_pipeline_ollama.moa-ollama")
    host.update_valves(GROQ, GROQ_MODEL_AGGREGATE="large")
    assert "GROQ_MODEL_REFERENCE_1" in ask()
