"""An ensemble inside an ensemble: a panel of its own stands where a proposer can stand."""

import os

import moakit

TEAMS = {
    "TOGETHER_API_KEY": [
        "together/Qwen/Qwen2.5-7B-Instruct-Turbo",
        "together/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
        "together/mistralai/Mixtral-8x7B-Instruct-v0.1",
        "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
    ],
    "GROQ_API_KEY": [
        "groq/llama-3.1-8b-instant",
        "groq/openai/gpt-oss-20b",
        "groq/qwen/qwen3-32b",
        "groq/llama-3.3-70b-versatile",
    ],
    "OLLAMA_HOST": ["ollama/gemma3:4b", "ollama/llama3.2:3b", "ollama/phi4-mini", "ollama/qwen3:8b"],
}
DEMO = ["demo/planner", "demo/skeptic", "demo/storyteller", "demo/editor"]
FIRST, SECOND, THIRD, LEAD = next((team for key, team in TEAMS.items() if key in os.environ), DEMO)

critics = moakit.MoA([FIRST, SECOND], LEAD, name="critics")
ensemble = moakit.MoA([critics, THIRD], LEAD, name="newsroom")

if __name__ == "__main__":
    print(ensemble)
    answer = ensemble("Should a small town buy electric buses?")
    print(answer)
    for reference in answer.references:
        print(f"reference {reference.path} by {reference.model}: {len(reference.text)} characters")
