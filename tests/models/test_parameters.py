"""Learning which parameters a model does not take."""

import asyncio

import pytest

from moakit.errors import BadResponse
from moakit.models.parameters import REMEMBERED, Parameters
from moakit.models.providers import PLAIN
from tests.models.scripted import Scripted, answer
from tests.models.wire import ask, model_on

OPENAI = "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens' instead."
TOO_HIGH = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 5 instead."
ONLY_ONE = "Unsupported value: 'temperature' does not support 0.2. Only the default (1) value is supported."


def refused(message, status=400):
    return BadResponse(f"HTTP {status}: {message}", status=status)


def fitted(parameters, **body):
    parameters.fit(body)
    return body


async def test_a_rejected_parameter_is_dropped_once_with_a_warning(up, streamed, caplog):
    model = model_on(up, "reject:seed+say:a")
    assert (await ask(model, streamed=streamed, seed=1)).text == "a"
    assert (await ask(model, streamed=streamed, seed=2, top_p=0.5)).text == "a"
    assert [call.body.get("seed") for call in up.calls] == [1, None, None]
    assert up.calls[-1].body["top_p"] == 0.5
    assert [record.message for record in caplog.records] == [
        "lab/reject:seed+say:a does not take 'seed', which is left out from now on"
    ]


async def test_several_rejected_parameters_are_dropped_one_by_one(up):
    assert (await ask(model_on(up, "reject:seed+reject:top_p+say:a"), seed=1, top_p=1)).text == "a"
    assert len(up.calls) == 3


async def test_calls_that_are_rejected_at_once_all_succeed_with_one_warning(up, caplog):
    model = model_on(up, "reject:seed+say:a")
    replies = await asyncio.gather(*(ask(model, seed=number) for number in range(5)))
    assert [reply.text for reply in replies] == ["a"] * 5
    assert len(caplog.records) == 1


async def test_a_stream_goes_on_without_usage_where_its_options_are_rejected(up):
    reply = await ask(model_on(up, "reject:stream_options+say:a"), streamed=True)
    assert (reply.text, reply.usage.total_tokens) == ("a", 0)


async def test_a_parameter_that_matters_is_not_dropped(up):
    with pytest.raises(BadResponse, match="'tools'"):
        await ask(model_on(up, "reject:tools"), tools=[{"type": "function"}])
    assert len(up.calls) == 1


async def test_a_value_out_of_range_is_the_callers_error_and_changes_nothing(up):
    message = f'{{"error": {{"message": "{TOO_HIGH}", "code": "decimal_above_max_value"}}}}'.encode()
    fine = answer(b'{"choices": [{"message": {"content": "a"}}]}')
    async with Scripted(answer(message, status="400 Bad Request"), fine) as server:
        model = model_on(server, "m")
        with pytest.raises(BadResponse, match="above maximum"):
            await ask(model, temperature=5)
        await ask(model, temperature=1)
        assert b'"temperature":1' in server.requests[1]


async def test_max_tokens_goes_by_its_other_name_where_that_is_asked_for(caplog):
    refusal = answer(f'{{"error": {{"message": "{OPENAI}"}}}}'.encode(), status="400 Bad Request")
    fine = answer(b'{"choices": [{"message": {"content": "a"}}]}')
    async with Scripted(refusal, fine) as server:
        model = model_on(server, "m")
        await ask(model, max_tokens=7)
        await ask(model, max_tokens=8)
    assert [b'"max_tokens"' in request for request in server.requests] == [True, False, False]
    assert b'"max_completion_tokens":7' in server.requests[1]
    assert b'"max_completion_tokens":8' in server.requests[2]
    assert [record.message for record in caplog.records] == [
        "lab/m wants 'max_completion_tokens' in place of 'max_tokens'"
    ]


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: 'seed' is not supported with this model.",
        "property 'seed' is unsupported",
        'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
        "`seed` is not supported by this model",
        "[{'type': 'extra_forbidden', 'loc': ['body', 'seed'], 'msg': 'Extra inputs are not permitted'}]",
        "Unknown parameter: 'seed'.",
        "Unrecognized request argument supplied: 'seed'",
    ],
)
def test_providers_refuse_a_parameter_in_many_words(message):
    parameters = Parameters("lab/m", PLAIN)
    assert parameters.learn(refused(message), {"seed": 1, "top_p": 1})
    assert fitted(parameters, seed=1, top_p=1) == {"top_p": 1}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (TOO_HIGH, 400),
        ("Invalid value for 'seed': not an integer", 400),
        ("'seed' is too large", 422),
        ("'messages' is not supported", 400),
        ("seed is not supported", 400),
        ("'seed' is not supported", 500),
        ("'seed' is not supported", 404),
        ("the model does not support images", 400),
    ],
)
def test_other_refusals_teach_nothing(message, status):
    parameters = Parameters("lab/m", PLAIN)
    assert not parameters.learn(refused(message, status), {"seed": 1, "temperature": 5})
    assert fitted(parameters, seed=1, temperature=5) == {"seed": 1, "temperature": 5}


def test_an_unsupported_value_is_left_out_and_others_are_sent():
    parameters = Parameters("lab/m", PLAIN)
    assert parameters.learn(refused(ONLY_ONE), {"temperature": 0.2})
    assert fitted(parameters, temperature=0.2) == {}
    assert fitted(parameters, temperature=1) == {"temperature": 1}


def test_only_so_many_values_are_remembered():
    parameters = Parameters("lab/m", PLAIN)
    for number in range(REMEMBERED + 1):
        parameters.learn(refused(ONLY_ONE), {"temperature": number})
    assert fitted(parameters, temperature=0) == {"temperature": 0}
    assert fitted(parameters, temperature=REMEMBERED) == {}
