"""The official openai SDK against a running `moa serve`: an ensemble is just another model.

    moa serve                              # in one terminal
    python examples/openai_client.py       # in another; pip install openai

`MOA_BASE_URL` is the server's address, `MOA_SERVER_KEY` one of its keys if it has any.
"""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("MOA_BASE_URL", "http://127.0.0.1:6620/v1"),
    api_key=os.environ.get("MOA_SERVER_KEY", "no key"),
)

if __name__ == "__main__":
    model = client.models.list().data[0].id
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Name three uses of a paperclip"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    print(f"{model}:", end=" ")
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        if chunk.usage is not None:
            # What moakit adds to the usage: every call of the run.
            calls = (chunk.usage.model_extra or {})["moa"]["calls"]
            print(f"\n\n{chunk.usage.total_tokens} tokens in {len(calls)} calls")
