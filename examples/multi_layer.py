"""Several layers: proposers read the responses of the layer before, the aggregator those of the last.

    python examples/multi_layer.py "Name three uses of a paperclip"

`layers` counts the aggregator: 3 is proposers, proposers, aggregator. Runs on the demo models, or on
Together, Groq or Ollama when the environment has one of the variables below.
"""

import os
import sys
from collections.abc import Sequence

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

Agent = moakit.Agent | str  # a model's name will do


def multi_layer(
    prompt: str, layers: int = 3, proposers: Sequence[Agent] = PROPOSERS, aggregator: Agent = AGGREGATOR
) -> moakit.Answer:
    ensemble = moakit.MoA(proposers, aggregator, layers=layers)
    with ensemble.stream(prompt) as stream:
        for text in stream.text:
            print(text, end="", flush=True)
    return stream.answer


if __name__ == "__main__":
    answer = multi_layer(" ".join(sys.argv[1:]) or "What are three fun things to do in San Francisco?")
    print(f"\n\n{len(answer.layers)} layers, {len(answer.calls)} calls, {answer.duration:.1f} s")
