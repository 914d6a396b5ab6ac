"""The openai SDK with `asyncio.gather`, as its users write a Mixture of Agents."""

import asyncio
from typing import Any

import openai

from . import wire


class OpenAISDK:
    """Three completions gathered, one with their answers."""

    def __init__(self, base_url: str) -> None:
        self.client = openai.AsyncOpenAI(base_url=base_url, api_key="x")

    async def run(self, prompt: str) -> str:
        """The answer, asked for whole."""
        completion = await self.client.chat.completions.create(
            model="d", messages=self._aggregation(prompt, await self._propose(prompt))
        )
        return completion.choices[0].message.content or ""

    async def stream(self, prompt: str) -> str:
        """The answer, asked for as a stream."""
        stream = await self.client.chat.completions.create(
            model="d",
            messages=self._aggregation(prompt, await self._propose(prompt)),
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = (chunk.choices async for chunk in stream)
        return "".join([choices[0].delta.content or "" async for choices in chunks if choices])

    async def _propose(self, prompt: str) -> list[str]:
        return await asyncio.gather(*(self._one(model, prompt) for model in ("a", "b", "c")))

    async def _one(self, model: str, prompt: str) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        completion = await self.client.chat.completions.create(model=model, messages=messages)
        return completion.choices[0].message.content or ""

    @staticmethod
    def _aggregation(prompt: str, references: list[str]) -> Any:
        listed = "\n\n".join(
            f"<response {at}>\n{text}\n</response {at}>" for at, text in enumerate(references, 1)
        )
        return [
            {"role": "system", "content": wire.INSTRUCTIONS},
            {"role": "user", "content": f"{prompt}\n\n{listed}"},
        ]

    async def close(self) -> None:
        """Closes its connections."""
        await self.client.close()
