"""Estimating tokens without a tokenizer."""

import pytest

from moakit.models.tokens import IMAGE, estimate, estimate_prompt, estimate_tools


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("four", 1), ("five!", 2), ("a" * 400, 100), ("中" * 400, 300), ("\ud800", 1)],
)
def test_four_bytes_are_a_token(text, tokens):
    assert estimate(text) == tokens


def test_every_message_has_a_frame():
    prompt = [{"role": "system", "content": "four"}, {"role": "user", "content": None}]
    assert estimate_prompt(prompt) == 4 + 1 + 4


def test_images_count_whatever_their_size():
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 99_999}}
    parts = [{"type": "text", "text": "four"}, image, image, "odd"]
    assert estimate_prompt([{"role": "user", "content": parts}]) == 4 + 1 + 2 * IMAGE


def test_tools_and_their_calls_count():
    tools = [{"type": "function", "function": {"name": "f", "description": "x" * 400}}]
    assert 100 < estimate_tools({"tools": tools, "seed": 1}) < 130
    assert estimate_tools({"seed": 1}) == estimate_tools({"tools": [object()]}) == 0
    called = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "x" * 400}}]}
    assert estimate_prompt([called]) > 100
