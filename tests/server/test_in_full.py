"""Everything a request can carry, by the official client, through an ensemble of three layers."""

import json
from collections.abc import Iterator

import openai
import pydantic
import pytest

from tests.server.conftest import LAB_KEY
from tests.server.serving import KEY, Served, serving

TEAM = ("one", "two", "three")
POLICIES = ("aggregator", "bypass", "vote")
CONFIG = (
    """
[providers.lab]
base_url = "${LAB_URL}"
api_key = "${LAB_KEY}"
breaker = 0
"""
    + "".join(
        f"""
[ensembles.{name}]
proposers = ["lab/one", "lab/two", "lab/three"]
aggregator = "lab/lead"
layers = 3
retries = 0
{setting}
"""
        for name, setting in {
            **{policy: f'tools = "{policy}"' for policy in (*POLICIES, "reject")},
            "fields": 'merge = "fields"',
        }.items()
    )
    + """
[server]
keys = ["${MOA_SERVER_KEY}"]
"""
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}},
        },
    }
    for name in ("look_up", "measure")
]
USER = {"role": "user", "content": "how high is it"}


@pytest.fixture(scope="module")
def deep(_upstream, tmp_path_factory) -> Iterator[Served]:
    environ = {"LAB_URL": _upstream.base_url, "LAB_KEY": LAB_KEY, "MOA_SERVER_KEY": KEY}
    with serving(tmp_path_factory.mktemp("deep"), CONFIG, **environ) as server:
        yield server


@pytest.fixture(scope="module")
def sdk(deep: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=deep.base_url, api_key=KEY, timeout=20) as client:
        yield client


def ask(sdk, model, messages, *, stream, **fields):
    """Return the answer's only choice, put together by the client's own means where it is streamed."""
    if stream:
        with sdk.chat.completions.stream(model=model, messages=messages, **fields) as streamed:
            streamed.until_done()
            (choice,) = streamed.get_final_completion().choices
    else:
        (choice,) = sdk.chat.completions.create(model=model, messages=messages, **fields).choices
    return choice


def loop(sdk, model, *, stream):
    """Answer the model's calls until it calls nothing more; return the text and the calls of each turn."""
    messages, turns = [USER], []
    for _ in range(5):
        choice = ask(sdk, model, messages, stream=stream, tools=TOOLS)
        calls = choice.message.tool_calls or []
        if not calls:
            return choice.message.content, turns
        assert choice.finish_reason == "tool_calls"
        turns.append([(call.function.name, json.loads(call.function.arguments)) for call in calls])
        assistant = {
            "role": "assistant",
            "content": choice.message.content,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
                for call in calls
            ],
        }
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name}: 8,849 m"}
            for call in calls
        ]
        messages += [assistant, *results]
    raise AssertionError("the loop does not end")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", POLICIES)
def test_a_tool_loop_with_parallel_calls(up, sdk, model, stream):
    caller = "tool:look_up+tool:measure+say:It_is_high"
    # Only who is given the tools may call them: a model that does without them would break the others.
    up.behaves |= {"lead": caller} | (dict.fromkeys(TEAM, caller) if model == "vote" else {})
    text, turns = loop(sdk, model, stream=stream)
    assert turns == [[("look_up", {"x": 1}), ("measure", {"x": 1})]]
    assert text == "It is high"
    calls = {"aggregator": 7 + 1, "bypass": 1 + 1, "vote": 3 + 7}
    assert len(up.calls) == calls[model]
    given = {call.model for call in up.calls if call.body.get("tools") == TOOLS}
    assert given == ({*TEAM, "lead"} if model == "vote" else {"lead"})
    last = up.of("lead")[-1]
    assert [message["role"] for message in last.messages[-3:]] == ["assistant", "tool", "tool"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_vote_without_a_majority_is_the_aggregators(up, sdk, stream):
    up.behaves |= {"one": "tool:look_up+x:1", "two": "tool:look_up+x:2", "three": "tool:measure"}
    up.behaves["lead"] = "tool:look_up+x:4"
    choice = ask(sdk, "vote", [USER], stream=stream, tools=TOOLS)
    (call,) = choice.message.tool_calls
    assert json.loads(call.function.arguments) == {"x": 4}
    assert len(up.calls) == 7 and '[would call look_up with {"x": 2}]' in up.of("lead")[0].prompt


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_request_with_tools_is_refused_by_name(up, sdk, stream):
    with pytest.raises(openai.BadRequestError, match="reject takes no tools") as raised:
        sdk.chat.completions.create(model="reject", messages=[USER], tools=TOOLS, stream=stream)
    assert raised.value.param == "tools" and up.calls == []
    assert sdk.chat.completions.create(model="reject", messages=[USER]).choices[0].message.content


class Hill(pydantic.BaseModel):
    name: str
    high: int
    tags: list[str]


FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "hill",
        "strict": True,
        "schema": {**Hill.model_json_schema(), "additionalProperties": False},
    },
}


def saying(**fields):
    return "say:" + json.dumps(fields).replace(" ", "_")


def test_a_json_schema_is_parsed_by_the_client(up, sdk):
    up.behaves["lead"] = saying(name="Everest", high=8849, tags=["a"])
    completion = sdk.chat.completions.parse(model="aggregator", messages=[USER], response_format=Hill)
    assert completion.choices[0].message.parsed == Hill(name="Everest", high=8849, tags=["a"])
    sent = up.of("lead")[0].body["response_format"]
    assert sent["type"] == "json_schema" and sent["json_schema"]["strict"] is True
    assert len(up.calls) == 7 and "response_format" not in up.of("one")[0].body


def test_an_answer_that_does_not_fit_is_repaired_and_paid_for(up, sdk):
    good = saying(name="Everest", high=8849, tags=[]).replace("say:", "then:")
    up.behaves["lead"] = saying(name="Everest", high="8849", tags=[]) + "+" + good
    completion = sdk.chat.completions.parse(model="aggregator", messages=[USER], response_format=Hill)
    assert completion.choices[0].message.parsed.high == 8849
    assert '$.high is "8849", not integer' in up.of("lead")[1].prompt
    assert len(completion.usage.moa["calls"]) == 8


def test_one_that_never_fits_is_an_error_of_its_own(up, sdk):
    up.behaves["lead"] = "say:It_is_high"
    with pytest.raises(openai.InternalServerError, match="does not fit the JSON schema") as raised:
        sdk.chat.completions.parse(model="aggregator", messages=[USER], response_format=Hill)
    assert (raised.value.status_code, raised.value.code) == (502, "schema_mismatch")
    assert len(up.of("lead")) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_fields_are_merged_without_the_aggregator(up, sdk, stream):
    up.behaves |= {
        "one": saying(name="Everest", high=8849, tags=["a"]),
        "two": saying(name="Everest", high=8848, tags=["b"]),
        "three": saying(name="Everest", high=8849, tags=[]),
    }
    choice = ask(sdk, "fields", [USER], stream=stream, response_format=FORM)
    assert json.loads(choice.message.content) == {"name": "Everest", "high": 8849, "tags": ["a", "b"]}
    assert len(up.calls) == 6 and up.of("lead") == []


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("part", [PICTURE, SOUND], ids=["image", "audio"])
def test_an_image_or_a_sound_reaches_every_model(up, sdk, part, stream):
    asked = [{"type": "text", "text": "what is this"}, part]
    choice = ask(sdk, "aggregator", [{"role": "user", "content": asked}], stream=stream)
    assert choice.message.content and len(up.calls) == 7
    for call in up.calls:
        assert call.messages[-1]["content"][:2] == asked


def test_marks_of_the_prompt_cache_reach_every_model_as_they_are(up, sdk):
    system = {"role": "system", "content": [{"type": "text", "text": "A long text", **MARK}]}
    asked = {"role": "user", "content": [{"type": "text", "text": "A question", **MARK}]}
    sdk.chat.completions.create(model="aggregator", messages=[system, asked])
    assert len(up.calls) == 7
    for call in up.calls:
        head, tail = call.messages[0]["content"], call.messages[-1]["content"]
        assert system["content"][0] in head and asked["content"][0] in tail


def test_parameters_reach_the_final_model_unchanged_and_no_other(up, sdk):
    given = {"n": 2, "reasoning_effort": "low", "verbosity": "low", "prompt_cache_key": "mine"}
    completion = sdk.chat.completions.create(model="aggregator", messages=[USER], **given)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert given.items() <= up.of("lead")[0].body.items()
    for model in TEAM:
        assert all(given.keys().isdisjoint(call.body) for call in up.of(model))
