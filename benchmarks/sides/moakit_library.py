"""moakit's library with every default."""

import moakit


class MoakitLibrary:
    """Three proposers and an aggregator on one provider."""

    def __init__(self, base_url: str) -> None:
        bench = moakit.Provider("bench", base_url=base_url, api_key="x")
        self.ensemble = moakit.MoA(proposers=[bench("a"), bench("b"), bench("c")], aggregator=bench("d"))

    async def run(self, prompt: str) -> str:
        """The answer, asked for whole."""
        answer = await self.ensemble.run(prompt)
        return answer.text

    async def stream(self, prompt: str) -> str:
        """The answer, asked for as a stream."""
        async with self.ensemble.stream(prompt) as stream:
            return "".join([text async for text in stream.text])

    async def close(self) -> None:
        """Closes its connections."""
        await moakit.aclose()
