"""A run on a provider with limits."""

import asyncio

import moakit


async def test_a_refused_call_takes_no_tokens(up):
    lab = moakit.Provider("lab", base_url=up.base_url, api_key="k", tokens_per_minute=800)
    async with asyncio.timeout(5):
        answer = await lab("status:503+times:1+say:a").run("hi")
    assert answer.text == "a" and answer.response.attempts == 2
