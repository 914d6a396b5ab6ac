"""Many runs at once: they share a process and nothing else."""

import asyncio

import openai

from tests.server.serving import KEY

RUNS = 200


async def test_two_hundred_runs_at_once_never_mix(up, served):
    up.behaves |= dict.fromkeys(("one", "two", "three"), "sleep:1")

    async def ask(client, number):
        system = {"role": "system", "content": f"You serve user-{number}."}
        user = {"role": "user", "content": f"question-{number}?"}
        stream = await client.chat.completions.create(
            model="panel", messages=[system, user], stream=True, user=f"user-{number}",
            stream_options={"include_usage": True},
        )  # fmt: skip
        text, usage = "", None
        async for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            usage = chunk.usage or usage
        return text, usage.moa["run_id"]

    async with openai.AsyncOpenAI(base_url=served.base_url, api_key=KEY, timeout=60) as client:
        answers = await asyncio.gather(*(ask(client, number) for number in range(RUNS)))

    assert len({run_id for _, run_id in answers}) == RUNS
    for number, (text, _) in enumerate(answers):
        assert f"question-{number}?" in text
    assert len(up.calls) == 4 * RUNS and up.peak > RUNS
    for call in up.calls:
        mine = {word.strip("?.") for word in call.prompt.split() if word.startswith(("user-", "question-"))}
        assert len({name.partition("-")[2] for name in mine}) == 1, mine
        if call.model == "lead":
            assert call.body["user"] in mine
