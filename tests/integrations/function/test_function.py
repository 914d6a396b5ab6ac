"""The Function file, loaded and called as Open WebUI loads and calls it."""

import ast
import asyncio
import inspect
import json
import sys
import time

import pytest

from tests.integrations.function.conftest import FILE, front_matter, loaded

CONTENT = FILE.read_text(encoding="utf-8")
TITLE = "### Task:\nGenerate a title\n### Chat History:\n<chat_history>why</chat_history>"
MERGE = "You have been provided with a set of responses from various models to the latest user query: why"


def body(text="why", *, stream=True, **fields):
    messages = [{"role": "user", "content": text}]
    return {"model": "moakit.panel", "messages": messages, "stream": stream, **fields}


async def read(pipe, request, **given):
    """Read a stream as Open WebUI does: text that is a chunk already, and chunks."""
    answer = await pipe.pipe(body=request, **given)
    assert inspect.isasyncgen(answer)
    chunks = []
    async for line in answer:
        assert isinstance(line, dict) or line.startswith("data: {")
        chunks.append(line if isinstance(line, dict) else json.loads(line.removeprefix("data: ")))
    return chunks


def text(chunks, field="content"):
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get(field) or "" for delta in deltas)


def test_the_front_matter_is_complete_and_installs_nothing():
    found = front_matter(CONTENT)
    assert found.keys() == {
        "title", "author", "version", "license", "description", "required_open_webui_version",
    }  # fmt: skip
    assert all(found.values())


def test_it_needs_nothing_but_what_open_webui_has():
    imports = set()
    for node in ast.walk(ast.parse(CONTENT)):
        if isinstance(node, ast.Import):
            imports |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports.add(node.module.partition(".")[0])
    assert imports - set(sys.stdlib_module_names) == {"aiohttp", "pydantic"}


def test_its_settings_are_what_the_screens_expect():
    pipe = loaded(CONTENT).Pipe()
    fields = pipe.Valves.model_json_schema()["properties"]
    assert list(fields) == ["BASE_URL", "API_KEY", "TASK_MODE", "SHOW_PROPOSERS", "TIMEOUT"]
    assert pipe.valves.BASE_URL == "http://127.0.0.1:6620/openwebui/v1"
    assert fields["API_KEY"]["input"]["type"] == "password"
    for schema in (fields["SHOW_PROPOSERS"], fields["TASK_MODE"]):
        assert schema["input"] == {"type": "select", "options": schema["enum"]}
        assert schema["default"] in schema["enum"]
    assert pipe.UserValves().SHOW_PROPOSERS == "default"


async def test_the_models_are_the_servers(up, pipe):
    assert await pipe.pipes() == [{"id": "panel", "name": "panel"}]


async def test_the_list_is_kept_until_the_settings_change(pipe, server):
    first = await pipe.pipes()
    assert await pipe.pipes() is first
    pipe.valves.API_KEY = "wrong"
    (entry,) = await pipe.pipes()
    assert entry["id"] == "error" and "key is not known" in entry["name"] and "API_KEY" in entry["name"]


async def test_a_server_that_is_down_is_an_entry_and_a_message(pipe, emit):
    pipe.valves.BASE_URL = "http://127.0.0.1:1/openwebui/v1"
    (entry,) = await pipe.pipes()
    assert entry["id"] == "error" and "moa serve" in entry["name"]
    (chunk,) = await read(pipe, body(), __event_emitter__=emit)
    assert "http://127.0.0.1:1" in chunk["error"]["message"] and "moa serve" in chunk["error"]["message"]
    assert chunk["choices"] == [] and emit.told[-1]["data"]["done"] is True
    whole = await pipe.pipe(body=body(stream=False))
    assert "moa serve" in whole["error"]["detail"]


async def test_a_chat_streams_and_its_events_go_to_the_emitter(up, pipe, emit):
    up.behaves |= {"one": "say:first", "lead": "tokens:3+pace:0.02"}
    chunks = await read(pipe, body(), __event_emitter__=emit, __user__={}, __metadata__={"chat_id": "c1"})
    assert text(chunks) == "w1 w2 w3"
    assert "#### lab/one" in text(chunks, "reasoning_content")
    assert not any("event" in chunk for chunk in chunks)
    assert emit.statuses[0] == "Layer 1/2 · asking 3 proposers" and len(emit.statuses) == 6
    assert emit.sources == ["lab/one", "lab/two", "lab/three"]
    assert emit.told[-1]["data"]["done"] is True
    assert chunks[-1]["usage"]["moa"]["calls"]


async def test_without_an_emitter_the_answer_comes_all_the_same(up, pipe):
    up.behaves["lead"] = "say:yes"
    chunks = await read(pipe, body())
    assert text(chunks) == "yes" and not any("event" in chunk for chunk in chunks)


async def test_long_answers_arrive_whole(up, pipe, emit):
    up.behaves |= {"one": "tokens:60000", "lead": "tokens:60000"}
    chunks = await read(pipe, body(), __event_emitter__=emit)
    assert text(chunks).endswith("w60000") and "w60000" in text(chunks, "reasoning_content")
    assert any(
        len(event["data"]["document"][0]) > 300_000 for event in emit.told if event["type"] == "source"
    )


async def test_what_a_user_writes_is_not_taken_for_an_event(up, pipe):
    up.behaves["lead"] = 'say:{"event":_{"type":_"execute"}}'
    assert text(await read(pipe, body())) == '{"event": {"type": "execute"}}'


@pytest.mark.parametrize("show", ["reasoning", "details", "sources", "none"])
async def test_how_proposers_are_shown_can_be_set(up, pipe, emit, show):
    pipe.valves.SHOW_PROPOSERS = show
    chunks = await read(pipe, body(), __event_emitter__=emit)
    assert ("####" in text(chunks, "reasoning_content")) is (show == "reasoning")
    assert ("<details" in text(chunks)) is (show == "details")
    assert len(emit.sources) == (0 if show == "none" else 3)


async def test_a_users_own_choice_comes_first(up, pipe, emit):
    pipe.valves.SHOW_PROPOSERS = "reasoning"
    user = {"valves": pipe.UserValves(SHOW_PROPOSERS="none")}
    await read(pipe, body(), __event_emitter__=emit, __user__=user)
    assert emit.sources == []


async def test_a_task_is_one_call_to_a_small_model(up, pipe):
    answer = await pipe.pipe(body=body(TITLE, stream=False), __task__="title_generation")
    assert answer["choices"][0]["message"]["content"] and [call.model for call in up.calls] == ["one"]


async def test_tasks_can_be_left_out_or_given_to_the_ensemble(up, pipe):
    pipe.valves.TASK_MODE = "off"
    assert await pipe.pipe(body=body("x", stream=False), __task__="title_generation") == ""
    assert up.calls == []
    pipe.valves.TASK_MODE = "ensemble"
    await pipe.pipe(body=body("x", stream=False), __task__="title_generation")
    assert len(up.calls) == 4


@pytest.mark.parametrize("mode", ["small", "off", "ensemble"])
async def test_merging_streams_from_the_aggregator_alone(up, pipe, emit, mode):
    pipe.valves.TASK_MODE = mode
    up.behaves["lead"] = "tokens:3+pace:0.02"
    given = {"__event_emitter__": emit, "__task__": "moa_response_generation"}
    assert text(await read(pipe, body(MERGE), **given)) == "w1 w2 w3"
    assert [call.model for call in up.calls] == ["lead"] and emit.told == []


async def test_an_answer_that_is_not_streamed_is_whole(up, pipe):
    up.behaves["lead"] = "say:yes"
    answer = await pipe.pipe(body=body(stream=False))
    assert answer["choices"][0]["message"]["content"] == "yes" and answer["object"] == "chat.completion"


async def test_an_error_of_the_run_is_told_in_the_chat(up, pipe, emit):
    up.behaves["lead"] = "status:500"
    chunks = await read(pipe, body(), __event_emitter__=emit)
    assert chunks[-1]["error"]["message"] and emit.told[-1]["data"]["done"] is True


async def test_a_refused_key_says_where_to_set_it(pipe):
    pipe.valves.API_KEY = "wrong"
    (chunk,) = await read(pipe, body())
    assert "API_KEY" in chunk["error"]["message"]


async def test_a_model_that_is_gone_is_told(pipe):
    (chunk,) = await read(pipe, body() | {"model": "moakit.pannel"})
    assert "did you mean 'panel'" in chunk["error"]["message"]


async def test_what_is_open_webuis_own_stays_there(up, pipe):
    builtin = {"type": "function", "function": {"name": "search_notes", "parameters": {}}}
    chosen = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    metadata = {"tools": {"search_notes": {"type": "builtin"}, "weather": {"type": "external"}}}
    request = body(tools=[builtin, chosen], features={"a": 1}, params={}, temperature=0.3)
    await read(pipe, request, __metadata__=metadata)
    (lead,) = up.of("lead")
    assert lead.body["tools"] == [chosen] and lead.body["temperature"] == 0.3
    assert "features" not in lead.body and "params" not in lead.body
    up.reset()
    await read(pipe, body(tools=[builtin]), __metadata__=metadata)
    assert "tools" not in up.of("lead")[0].body


@pytest.mark.parametrize("model", ["one", "lead"])
@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_stop_ends_every_call_to_a_model(up, pipe, emit, model, how):
    up.behaves[model] = "tokens:500+pace:0.02" if model == "lead" else "hang"
    answer = await pipe.pipe(body=body(), __event_emitter__=emit)

    async def consume():
        async for _ in answer:
            pass

    async def reached():
        while not up.of(model):
            await asyncio.sleep(0.002)

    if how == "cancel":
        task = asyncio.create_task(consume())
        await reached()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await anext(answer)
        if model == "lead":
            while not up.of("lead"):
                await anext(answer)
        await answer.aclose()
    left = time.monotonic()
    await up.idle(1)
    assert time.monotonic() - left < 1
    assert not up.open


async def test_an_answer_that_takes_too_long_is_given_up(up, pipe):
    pipe.valves.TIMEOUT = 0.3
    up.behaves["lead"] = "hang"
    chunks = await read(pipe, body())
    assert "took too long" in chunks[-1]["error"]["message"]
