"""What is sent to a provider, byte by byte and header by header."""

import copy
import json

import pytest

from moakit.errors import AuthenticationFailed, BadResponse, InvalidRequest
from moakit.models.openai import OpenAIModel
from moakit.models.providers import PROVIDERS, Endpoint
from tests.models.scripted import Scripted, answer
from tests.models.wire import KEY, Ear, ask, model_on

CONVERSATION = [
    {"role": "system", "content": [{"type": "text", "text": "be\u2028brief"}]},
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "new", "x": 1.0}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "f"}}],
        "unknown": {},
    },
    {"role": "tool", "tool_call_id": "1", "content": "é🙂 </s> 1e400"},
]


def built_in(up, name, model="m"):
    endpoint = Endpoint(name=name, base_url=up.base_url, api_key="k", quirks=PROVIDERS[name].quirks)
    return OpenAIModel(endpoint, model)


async def test_a_whole_answer_is_asked_for_with_model_messages_and_parameters(up):
    parameters = {"temperature": 0.5, "stop": ["a"], "tools": [{"type": "function"}], "venice": {"x": None}}
    await model_on(up, "org/m:free").respond(CONVERSATION, parameters)
    assert up.calls[0].body == {"model": "org/m:free", "messages": CONVERSATION, **parameters}


async def test_a_stream_is_asked_for_with_its_usage(up):
    await model_on(up, "m").respond(CONVERSATION, {"seed": 1}, Ear())
    sent = {"stream": True, "stream_options": {"include_usage": True}}
    assert up.calls[0].body == {"model": "m", "messages": CONVERSATION, "seed": 1, **sent}


async def test_what_is_sent_is_not_changed_on_the_way(up):
    messages, parameters = copy.deepcopy(CONVERSATION), {"max_tokens": 5}
    await built_in(up, "openai").respond(messages, parameters, Ear())
    assert (messages, parameters) == (CONVERSATION, {"max_tokens": 5})


async def test_whether_an_answer_is_streamed_is_not_the_parameters_business(up, streamed):
    reply = await ask(
        model_on(up, "say:a"), streamed=streamed, stream=not streamed, stream_options={"include_usage": False}
    )
    assert (reply.text, up.calls[0].stream) == ("a", streamed)
    assert up.calls[0].body.get("stream_options") == ({"include_usage": True} if streamed else None)


@pytest.mark.parametrize(
    ("provider", "given", "sent"),
    [
        ("openai", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("mistral", {"seed": 5, "logprobs": True}, {"random_seed": 5}),
        ("anthropic", {"seed": 5, "frequency_penalty": 1, "top_p": 0.5}, {"top_p": 0.5}),
        ("groq", {"max_tokens": 5, "seed": 5}, {"max_tokens": 5, "seed": 5}),
    ],
)
async def test_parameters_are_sent_in_the_providers_words(up, provider, given, sent):
    await ask(built_in(up, provider), **given)
    assert {
        name: value for name, value in up.calls[0].body.items() if name not in ("model", "messages")
    } == sent


async def test_a_provider_that_rejects_stream_options_is_not_sent_any(up):
    await ask(built_in(up, "mistral"), streamed=True)
    assert up.calls[0].stream and "stream_options" not in up.calls[0].body


async def test_the_key_stands_in_the_authorization_header_and_nowhere_else(up, streamed):
    await ask(model_on(up, "m"), streamed=streamed)
    call = up.calls[0]
    assert call.headers.pop("authorization") == f"Bearer {KEY}"
    assert KEY not in f"{call.headers}{call.path}" and KEY.encode() not in call.raw


async def test_the_providers_own_headers_are_sent(up):
    await ask(model_on(up, "m", headers={"HTTP-Referer": "https://example.org"}))
    headers = up.calls[0].headers
    assert (headers["http-referer"], headers["content-type"]) == ("https://example.org", "application/json")
    assert headers["user-agent"] == "moakit" and "cookie" not in headers


async def test_a_provider_without_key_is_asked_without_one(up):
    await ask(model_on(up, "m", api_key=None))
    assert "authorization" not in up.calls[0].headers


async def test_a_local_server_needs_no_key(up):
    await ask(model_on(up, "m", api_key=None, key_variable="OLLAMA_API_KEY", local=True))
    assert "authorization" not in up.calls[0].headers


@pytest.mark.parametrize("environ", [{}, {"LAB_TOKEN": ""}, {"LAB_TOKEN": " \n"}])
async def test_a_missing_key_is_named_and_nothing_is_sent(up, environ):
    endpoint = Endpoint(name="lab", base_url=up.base_url, key_variable="LAB_TOKEN")
    with pytest.raises(AuthenticationFailed, match="LAB_TOKEN") as caught:
        await ask(OpenAIModel(endpoint, "m", environ=environ))
    assert caught.value.model == "lab/m" and not up.calls


async def test_a_key_is_read_from_the_environment_at_the_first_call(up):
    environ = {}
    model = OpenAIModel(Endpoint(name="lab", base_url=up.base_url, key_variable="T"), "m", environ=environ)
    environ["T"] = " secret\n"
    await ask(model)
    assert up.calls[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("key", ["one\ntwo", "tab\there", "smart–dash"])
async def test_a_key_that_cannot_be_one_is_refused_unshown(up, key):
    with pytest.raises(AuthenticationFailed, match="characters that no key has") as caught:
        await ask(model_on(up, "m", api_key=key))
    assert key not in str(caught.value) and not up.calls


@pytest.mark.parametrize("value", ["\ud800", object(), {1: object()}], ids=["surrogate", "object", "nested"])
async def test_what_is_no_json_is_the_users_mistake(up, value):
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        await ask(model_on(up, "m"), user=value)
    assert not up.calls


async def test_redirects_are_not_followed(up, streamed):
    moved = answer(b"", status="307 Temporary Redirect", Location=f"{up.base_url}/chat/completions")
    async with Scripted(moved) as server:
        with pytest.raises(BadResponse) as caught:
            await ask(model_on(server, "m"), streamed=streamed)
    assert (caught.value.status, len(server.requests), up.calls) == (307, 1, [])


async def test_the_request_is_one_utf8_json_document_of_known_length(up):
    await ask(model_on(up, "m"), "é🙂")
    call = up.calls[0]
    assert "é🙂".encode() in call.raw and json.loads(call.raw) == call.body
    assert int(call.headers["content-length"]) == len(call.raw)
