"""The sixteen faults met by the openai SDK and LiteLLM's router, in an environment of their own.

.venv/peers/bin/python -m tests.faults.peers      prints {product: {fault: [verdict, why]}} as JSON
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

from tests.faults.sixteen import FALLBACK, FAULTS, PRIMARY, RETRIES, Opened, Outcome, Product, judged
from tests.upstream import Upstream

# It would look for prices on the internet, and tell where it is used.
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "CRITICAL",
}


async def heard(asking: Any) -> Outcome:
    """What comes of a stream, or of asking for one."""
    text, finish, model, tokens = "", "", "", None
    try:
        async for chunk in await asking:
            model = chunk.model or model
            if getattr(chunk, "usage", None):
                tokens = chunk.usage.total_tokens
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the caller is told
        return Outcome(text=text, error=f"{type(error).__name__}: {error}", finish=finish, model=model)
    # The end of the iteration says nothing; the reason it ended does.
    return Outcome(text=text, complete=bool(finish), finish=finish, model=model, tokens=tokens)


class Sdk:
    """The official SDK: it repeats, and knows no fallback."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def ask(self, question: str) -> Outcome:
        messages = [{"role": "user", "content": question}]
        options = {"stream": True, "stream_options": {"include_usage": True}}
        return await heard(self.client.chat.completions.create(model=PRIMARY, messages=messages, **options))


@contextlib.asynccontextmanager
async def sdk(primary: Upstream, fallback: Upstream, timeout: float) -> AsyncIterator[Product]:
    import openai

    given = {"base_url": primary.base_url, "api_key": "key", "max_retries": RETRIES, "timeout": timeout}
    async with openai.AsyncOpenAI(**given) as client:
        yield Sdk(client)


class Router:
    """LiteLLM's router: two deployments, one the fallback of the other."""

    def __init__(self, router: Any) -> None:
        self.router = router

    async def ask(self, question: str) -> Outcome:
        messages = [{"role": "user", "content": question}]
        options = {"stream": True, "stream_options": {"include_usage": True}}
        return await heard(self.router.acompletion(model=PRIMARY, messages=messages, **options))


@contextlib.asynccontextmanager
async def litellm(primary: Upstream, fallback: Upstream, timeout: float) -> AsyncIterator[Product]:
    from litellm import Router as LiteLLMRouter

    deployments = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": up.base_url, "api_key": "key"},
        }
        for name, up in ((PRIMARY, primary), (FALLBACK, fallback))
    ]
    router = LiteLLMRouter(
        model_list=deployments, fallbacks=[{PRIMARY: [FALLBACK]}], num_retries=RETRIES, timeout=timeout
    )
    yield Router(router)


PRODUCTS: dict[str, tuple[str, Opened]] = {
    "openai SDK": ("openai", sdk),
    "LiteLLM router": ("litellm", litellm),
}


async def main(scale: float, names: list[str]) -> None:
    logging.disable(logging.CRITICAL)
    faults = [fault for fault in FAULTS if fault.name in names or not names]
    asked = (
        asyncio.gather(*(judged(fault, opened, scale) for fault in faults)) for _, opened in PRODUCTS.values()
    )
    results = {}
    for (name, (package, _)), verdicts in zip(PRODUCTS.items(), await asyncio.gather(*asked), strict=True):
        results[f"{name} {version(package)}"] = {
            fault.name: [verdict.verdict, verdict.why]
            for fault, verdict in zip(faults, verdicts, strict=True)
        }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, sys.argv[2:]))
