"""A layer of your own: one class with one `forward`. It stands anywhere, in the repr and in the summary too.

Runs on the demo models, or on Together, Groq or Ollama when the environment has one of the variables below.
"""

import os

import moakit

TEAMS = {
    "TOGETHER_API_KEY": [
        "together/Qwen/Qwen2.5-7B-Instruct-Turbo",
        "together/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
        "together/mistralai/Mixtral-8x7B-Instruct-v0.1",
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
    ],
    "GROQ_API_KEY": [
        "groq/llama-3.1-8b-instant",
        "groq/openai/gpt-oss-20b",
        "groq/openai/gpt-oss-120b",
        "groq/qwen/qwen3-32b",
        "groq/llama-3.3-70b-versatile",
    ],
    "OLLAMA_HOST": [
        "ollama/gemma3:4b",
        "ollama/llama3.2:3b",
        "ollama/phi4-mini",
        "ollama/qwen3:4b",
        "ollama/qwen3:8b",
    ],
}
DEMO = ["demo/planner", "demo/skeptic", "demo/storyteller", "demo/tinkerer", "demo/editor"]
*PROPOSERS, AGGREGATOR = next((team for key, team in TEAMS.items() if key in os.environ), DEMO)


class Shortest(moakit.Layer):
    """Keeps the shortest references."""

    def __init__(self, keep: int = 1) -> None:
        self.keep = keep

    async def forward(
        self, prompt: moakit.Prompt, references: tuple[moakit.Response, ...], run: moakit.Run
    ) -> list[moakit.Response]:
        return sorted(references, key=lambda reference: len(reference.text))[: self.keep]

    def shape(self, references: int | None) -> int | None:
        return None if references is None else min(self.keep, references)


ensemble = moakit.Sequential(
    moakit.Proposers(*PROPOSERS),
    Shortest(keep=2),
    moakit.Aggregator(AGGREGATOR),
)

if __name__ == "__main__":
    print(ensemble)
    print(ensemble.summary())
    answer = ensemble("How do I learn to draw?")
    print(answer)
    proposals, kept, _ = answer.layers
    print(f"\n{len(proposals)} proposals, of which {' and '.join(one.model for one in kept)} were kept")
