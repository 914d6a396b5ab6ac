"""Self-MoA (arXiv 2502.00674): several samples of the one best model, merged by the same model.

It needs a temperature above 0, or the samples are all alike. The demo models always say the same.
"""

import os

import moakit

MODELS = {
    "TOGETHER_API_KEY": "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
    "GROQ_API_KEY": "groq/llama-3.3-70b-versatile",
    "OLLAMA_HOST": "ollama/qwen3:8b",
}
MODEL = next((model for key, model in MODELS.items() if key in os.environ), "demo/planner")

ensemble = moakit.SelfMoA(moakit.Agent(MODEL, temperature=0.7), samples=3)

if __name__ == "__main__":
    answer = ensemble("Which is heavier, a kilogram of feathers or a kilogram of iron?")
    print(answer)
    for call in answer.calls:
        print(f"{call.path:6} {call.role:10} {call.usage.completion_tokens} tokens in {call.seconds:.1f} s")
