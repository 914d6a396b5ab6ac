"""The `.env` of the Open WebUI pipelines article, with its addresses at local upstreams."""

import contextlib
from collections.abc import Iterator

from tests.upstream import Upstream

TEXT = """\
{prefix}_API_BASE_1={base_1}
{prefix}_API_KEY_1="{key_1}"
{prefix}_API_BASE_2={base_2}
{prefix}_API_KEY_2="{key_2}"
{prefix}_API_BASE_3={base_3}
{prefix}_API_KEY_3="{key_3}"
{prefix}_API_BASE_4={base_4}
{prefix}_API_KEY_4="{key_4}"
{prefix}_API_KEY="{key_1}"
{prefix}_DEFAULT_MAX_TOKENS=4096
{prefix}_DEFAULT_TEMPERATURE=0.9
{prefix}_DEFAULT_ROUNDS={rounds}
{prefix}_LAYERS={layers}
{prefix}_AGENTS_PER_LAYER={agents}
{prefix}_MULTITURN={multiturn}
{prefix}_MODEL_AGGREGATE='llama3-70b-8192'
{prefix}_MODEL_AGGREGATE_API_BASE=${{{prefix}_API_BASE_1}}
{prefix}_MODEL_AGGREGATE_API_KEY=${{{prefix}_API_KEY_1}}
{prefix}_MODEL_REFERENCE_1='llama3-8b-8192'
{prefix}_MODEL_REFERENCE_1_API_BASE=${{{prefix}_API_BASE_2}}
{prefix}_MODEL_REFERENCE_1_API_KEY=${{{prefix}_API_KEY_2}}
{prefix}_MODEL_REFERENCE_2='gemma-7b-it'
{prefix}_MODEL_REFERENCE_2_API_BASE=${{{prefix}_API_BASE_3}}
{prefix}_MODEL_REFERENCE_2_API_KEY=${{{prefix}_API_KEY_3}}
{prefix}_MODEL_REFERENCE_3='mixtral-8x7b-32768'
{prefix}_MODEL_REFERENCE_3_API_BASE=${{{prefix}_API_BASE_4}}
{prefix}_MODEL_REFERENCE_3_API_KEY=${{{prefix}_API_KEY_4}}
"""
LEAD, ONE, TWO, THREE = "llama3-70b-8192", "llama3-8b-8192", "gemma-7b-it", "mixtral-8x7b-32768"
KEYS = {LEAD: "gsk_key1", ONE: "gsk_key2", TWO: "gsk_key3", THREE: "gsk_key4"}
HOME = {LEAD: 0, ONE: 1, TWO: 2, THREE: 0}
"""Which of the three upstreams each model is called at; the first takes two keys."""


class Article:
    """Three upstreams, and the file that names them."""

    def __init__(self, upstreams: list[Upstream]) -> None:
        self.upstreams = upstreams

    def env(self, prefix: str = "GROQ", **changes: object) -> str:
        """The file's text; `layers`, `rounds`, `agents` and `multiturn` may be changed."""
        settings = {"layers": 1, "rounds": 1, "agents": 3, "multiturn": True} | changes
        bases = {f"base_{number}": self.upstreams[(number - 1) % 3].base_url for number in range(1, 5)}
        keys = {f"key_{number}": f"gsk_key{number}" for number in range(1, 5)}
        return TEXT.format(prefix=prefix, **bases, **keys, **settings)

    def reset(self) -> None:
        for upstream in self.upstreams:
            upstream.reset()

    @property
    def calls(self):
        """Every call with the number of its upstream, in order of arrival."""
        found = [
            (call, number)
            for number, upstream in enumerate(self.upstreams)
            for call in upstream.calls
            if call.method == "POST"
        ]
        return sorted(found, key=lambda pair: pair[0].at)

    @property
    def models(self) -> list[str]:
        return [call.model for call, _ in self.calls]

    def check(self) -> None:
        """Every call went to its model's own address, with its own key, and the settings of all."""
        for call, number in self.calls:
            assert (number, call.key) == (HOME[call.model], KEYS[call.model])
            assert (call.body["temperature"], call.body["max_tokens"]) == (0.9, 4096)


@contextlib.contextmanager
def article() -> Iterator[Article]:
    with (
        Upstream.in_thread(keys={"gsk_key1", "gsk_key4"}) as one,
        Upstream.in_thread(keys={"gsk_key2"}) as two,
        Upstream.in_thread(keys={"gsk_key3"}) as three,
    ):
        yield Article([one, two, three])
