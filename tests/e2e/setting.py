"""The ensembles that are shown, and how the models behind them behave."""

from tests.server.serving import KEY, Served
from tests.upstream import Upstream

LAB_KEY = "lab-key-1"
CONFIG = """
default = "panel"

[providers.lab]
base_url = "${LAB_URL}"
api_key = "${LAB_KEY}"
price = { input = 1, output = 10 }

[ensembles.panel]
description = "Three small models answer, a large one writes the final answer"
proposers = ["lab/llama-3.1-8b", "lab/gemma-3-27b", "lab/qwen-2.5-72b"]
aggregator = "lab/llama-3.3-70b"
retries = 0

[ensembles.limping]
description = "One of three proposers is always rate limited"
proposers = ["lab/llama-3.1-8b", "lab/limited", "lab/qwen-2.5-72b"]
aggregator = "lab/llama-3.3-70b"
retries = 0

[ensembles.doomed]
description = "Every model is down"
proposers = ["lab/down-one", "lab/down-two"]
aggregator = "lab/llama-3.3-70b"
retries = 0

[ensembles.broken]
description = "The aggregator breaks off"
proposers = ["lab/llama-3.1-8b"]
aggregator = "lab/breaks-off"
retries = 0

[ensembles.patient]
description = "Two of three proposers take for ever"
proposers = ["lab/llama-3.1-8b", "lab/slow-one", "lab/slow-two"]
aggregator = "lab/llama-3.3-70b"
retries = 0

[ensembles.endless]
description = "Writes until it is stopped"
proposers = ["lab/llama-3.1-8b"]
aggregator = "lab/endless"
retries = 0

[server]
keys = ["${MOA_SERVER_KEY}"]
task_model = "lab/small"
"""
QUESTION = "Why is the sky dark at night?"
PROPOSALS = {
    "llama-3.1-8b": "Space expands, so light from far galaxies is stretched out of what our eyes can see.",
    "gemma-3-27b": "The universe has a finite age: light from most stars has not had time to arrive.",
    "qwen-2.5-72b": "This is Olbers' paradox. Stars burn out long before they can fill the sky with light.",
}
ANSWER = (
    "The night sky is dark because the universe is young: most starlight has not reached us yet [2]. "
    "Expansion stretches the light that does arrive [1], and stars burn out before they fill the sky [3]."
)


def _says(text: str, behaviour: str) -> str:
    return f"say:{text.replace(' ', '_')}+{behaviour}"


BEHAVES = {
    "llama-3.1-8b": _says(PROPOSALS["llama-3.1-8b"], "ttft:0.5"),
    "gemma-3-27b": _says(PROPOSALS["gemma-3-27b"], "ttft:1"),
    "qwen-2.5-72b": _says(PROPOSALS["qwen-2.5-72b"], "ttft:1.5"),
    "llama-3.3-70b": _says(ANSWER, "ttft:0.5+pace:0.03"),
    "limited": "status:429",
    "down-one": "status:503",
    "down-two": "status:503",
    "breaks-off": "tokens:50+cut:3",
    "slow-one": "tokens:5000+pace:0.05",
    "slow-two": "hang",
    "endless": "tokens:5000+pace:0.05",
    "small": 'say:{"title":"Dark_sky","tags":["astronomy"],"follow%5Fups":["How_old_is_the_universe?"]}',
}


def environ(upstream: Upstream) -> dict[str, str]:
    """Return the variables of the configuration."""
    return {"LAB_URL": upstream.base_url, "LAB_KEY": LAB_KEY, "MOA_SERVER_KEY": KEY}


def dialect_url(served: Served) -> str:
    """Return the one URL that the plain connection needs."""
    return f"http://127.0.0.1:{served.port}/openwebui/v1"
