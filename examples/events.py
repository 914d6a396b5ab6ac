"""The events of a run: everything that happens, as it happens, each with its layer's address and its time."""

import os

import moakit

TEAMS = {
    "TOGETHER_API_KEY": [
        "together/Qwen/Qwen2.5-7B-Instruct-Turbo",
        "together/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
        "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
    ],
    "GROQ_API_KEY": ["groq/llama-3.1-8b-instant", "groq/openai/gpt-oss-20b", "groq/llama-3.3-70b-versatile"],
    "OLLAMA_HOST": ["ollama/gemma3:4b", "ollama/llama3.2:3b", "ollama/qwen3:8b"],
}
DEMO = ["demo/planner", "demo/skeptic", "demo/editor"]
*PROPOSERS, AGGREGATOR = next((team for key, team in TEAMS.items() if key in os.environ), DEMO)

# demo/broken always fails: the run goes on without it, and says so.
ensemble = moakit.MoA([*PROPOSERS, "demo/broken"], AGGREGATOR)


def line(event: moakit.Event) -> str:
    match event:
        case moakit.CallStarted():
            return f"{event.model} is asked as {event.role}"
        case moakit.CallFinished():
            return f"{event.response.model} responded with {event.response.usage.completion_tokens} tokens"
        case moakit.CallFailed():
            return f"failed: {event.error}"
        case moakit.LayerFinished():
            return f"the layer gives {len(event.responses)}, went without {event.dropped}"
        case moakit.RunFinished():
            return f"{len(event.answer.calls)} calls, degraded: {event.answer.degraded}"
        case _:
            return ""


if __name__ == "__main__":
    pieces = {"proposers": 0, "answer": 0}
    with ensemble.stream("What makes a good question?", proposers=True) as stream:
        for event in stream:
            if isinstance(event, moakit.Delta):
                pieces["answer" if event.answer else "proposers"] += 1
            elif text := line(event):
                print(f"{event.at:5.2f} s  {event.path:4} {text}")
    print(f"pieces of text: {pieces['proposers']} from proposers, {pieces['answer']} of the answer")
    print(stream.answer)
