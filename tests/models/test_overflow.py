"""What providers say of a prompt that is too long, in their own words."""
# ruff: noqa: E501 - each of their sentences in one line

import json

import pytest

from moakit.errors import ContextTooLong
from moakit.models.failures import from_error, from_status
from moakit.models.overflow import overflow_in

WORDS = [
    (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.",
        (8192, 9000, None),
    ),
    (
        "This model's maximum context length is 8192 tokens. However, you requested 8203 tokens (7691 in the messages, 512 in the completion). Please reduce the length of the messages or completion.",
        (8192, 7691, 512),
    ),
    (
        "This model's maximum context length is 2049 tokens, however you requested 2054 tokens (2049 in your prompt; 5 for the completion). Please reduce your prompt; or completion length.",
        (2049, 2049, 5),
    ),
    (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens (149000 of text input, 1000 in the output). Please reduce the length of either one.",
        (131072, 149000, 1000),
    ),
    (
        "This model's maximum context length is 262144 tokens. However, you requested 128000 output tokens and your prompt contains at least 134145 input tokens, for a total of at least 262145 tokens.",
        (262144, None, 128000),
    ),
    ("This model's maximum context length is 8192 tokens. You requested 9000.", (8192, None, None)),
    ("prompt is too long: 210000 tokens > 200000 maximum", (200000, 210000, None)),
    ("prompt is too long: 210,000 tokens > 200,000 maximum", (200000, 210000, None)),
    (
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
        (200000, 190000, 20000),
    ),
    (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        (1048576, 1200000, None),
    ),
    (
        "the request exceeds the available context size (4096 tokens), try increasing it",
        (4096, None, None),
    ),
    (
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        (4096, 5000, None),
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        (131072, 200000, None),
    ),
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        (32768, 40000, None),
    ),
    (
        "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 512 `max_new_tokens`",
        (4097, 5000, 512),
    ),
    (
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
        (8192, 9000, None),
    ),
    ("The prompt is too long: 140000, model maximum context length: 131071", (131071, 140000, None)),
    (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.",
        (4081, 5000, None),
    ),
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
        (4096, 5000, None),
    ),
    ("the input length exceeds the context length", (None, None, None)),
    ("Input is too long for requested model.", (None, None, None)),
]


@pytest.mark.parametrize(("text", "numbers"), WORDS)
def test_the_numbers_are_found_in_any_providers_words(text, numbers):
    assert overflow_in(text) == numbers


@pytest.mark.parametrize("text", [text for text, _ in WORDS])
def test_all_of_them_are_too_long_whole_and_inside_a_stream(text):
    body = json.dumps({"error": {"message": text}}).encode()
    found = from_status(400, {}, body, model="lab/m", key=None, key_variable=None)
    inside = from_error({"message": text}, model="lab/m", key=None)
    assert type(found) is type(inside) is ContextTooLong
    assert (found.window, found.needed) == (inside.window, inside.needed)


def test_what_is_needed_is_the_prompt_with_the_answer_that_was_counted():
    error = from_error({"message": WORDS[1][0]}, model="lab/m", key=None)
    assert isinstance(error, ContextTooLong)
    assert (error.window, error.needed, error.answer) == (8192, 8203, 512)


def test_numbers_beside_the_message_are_found_too():
    error = from_error(
        {
            "message": "the request exceeds the available context size, try increasing it",
            "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096,
        },
        model="lab/m", key=None,
    )  # fmt: skip
    assert isinstance(error, ContextTooLong) and (error.window, error.needed) == (4096, 5000)


@pytest.mark.parametrize("status", [413, 429])
def test_one_request_above_a_minutes_tokens_is_too_long_and_not_a_matter_of_waiting(status):
    body = (
        b'{"error": {"message": "Request too large for model `m` in organization `o` on tokens per minute '
        b'(TPM): Limit 6000, Requested 9322, please reduce your message size and try again.", '
        b'"type": "tokens", "code": "rate_limit_exceeded"}}'
    )
    error = from_status(status, {}, body, model="lab/m", key=None, key_variable=None)
    assert isinstance(error, ContextTooLong) and (error.window, error.needed) == (6000, 9322)


def test_numbers_that_make_no_sense_are_none():
    assert overflow_in("maximum context length is 8192 tokens, your messages resulted in 12 tokens") == (
        8192, None, None,
    )  # fmt: skip
    assert overflow_in("maximum context length is " + "9" * 5000) == (None, None, None)
    assert overflow_in("x" * 10_000 + "maximum context length is 8192") == (None, None, None)
