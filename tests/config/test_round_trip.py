"""`from_config(layer.to_config())` is the same layer again, through TOML as well."""

import re
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import moakit
from moakit import (
    Agent,
    Aggregator,
    BestOf,
    Diverse,
    Layer,
    MoA,
    MostConsistent,
    OutlierFilter,
    Proposers,
    Ranker,
    Residual,
    SelfMoA,
    Sequential,
    Shuffle,
    Template,
    Truncate,
    Voter,
    from_config,
)
from moakit.config.writing import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SECONDS = st.floats(0.01, 1000)
NAMES = ["demo/planner", "demo/skeptic", "demo/storyteller", "demo/editor"]
NAME = st.sampled_from(NAMES)
SINGLE = NAME | st.fixed_dictionaries(
    {"model": NAME},
    optional={
        "system": TEXT,
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "max_tokens": st.integers(1, 10_000),
        "seed": st.integers(-5, 2**31),
        "reasoning_effort": st.sampled_from(["low", "high"]),
        "timeout": SECONDS,
        "fallback": st.lists(NAME, min_size=1, max_size=2),
        "extra": st.dictionaries(TEXT, st.integers() | TEXT | st.booleans(), max_size=2),
    },
)
SAMPLED = st.builds(
    lambda agent, samples: {**(agent if isinstance(agent, dict) else {"model": agent}), "samples": samples},
    SINGLE,
    st.integers(1, 3),
)
WAITING = st.fixed_dictionaries(
    {},
    optional={
        "grace": st.floats(0, 100),
        "agreement": st.floats(0.01, 1),
        "deadline": SECONDS,
        "timeout": SECONDS,
        "first_token": SECONDS,
        "idle": SECONDS,
        "retries": st.integers(0, 5),
        "strict": st.booleans(),
        "on_no_references": st.sampled_from(["error", "answer"]),
        "on_no_aggregator": st.sampled_from(["error", "best"]),
        "prompt": st.sampled_from(["moakit", "together"])
        | st.fixed_dictionaries({}, optional={"instructions": TEXT, "opening": TEXT, "closing": TEXT}),
        "reference_tokens": st.integers(1, 9999),
        "cite": st.booleans(),
        "multiturn": st.booleans(),
        "merge": st.sampled_from(["aggregator", "fields"]),
        "tools": st.sampled_from(["aggregator", "reject", "bypass", "vote"]),
        "budget": st.floats(0.01, 10)
        | st.fixed_dictionaries({"tokens": st.integers(1, 9999)}, optional={"dollars": st.floats(0.01, 10)}),
    },
)
COUNTS = st.fixed_dictionaries(
    {},
    optional={
        "samples": st.integers(1, 3), "quorum": st.just(1), "minimum": st.just(1),
        "max_tokens": st.integers(1, 999), "bench": st.lists(SINGLE, max_size=2),
    },
)  # fmt: skip
NAMED = st.fixed_dictionaries({}, optional={"name": TEXT, "description": TEXT})
AGGREGATE = st.builds(
    lambda agent, waiting, fallback: {"aggregate": agent, **waiting, **fallback},
    SINGLE,
    WAITING,
    st.fixed_dictionaries({}, optional={"fallback": NAME | st.lists(SINGLE, max_size=2)}),
)


def mixtures(proposer):
    """The short and the long form over these proposers."""
    team = st.lists(proposer, min_size=1, max_size=3)
    propose = st.builds(
        lambda team, counts, waiting: {"propose": team, **counts, **waiting},
        team,
        COUNTS,
        WAITING.map(lambda given: {key: value for key, value in given.items() if key != "prompt"}),
    )
    refining = st.builds(
        lambda made, waiting: {**made, **waiting},
        st.sampled_from(
            [
                {"critique": "demo/skeptic"},
                {"revise": []},
                {"revise": "demo/planner"},
                {"peer_review": ["demo/planner", "demo/editor"], "keep": 2},
                {"analyse": "demo/judge"},
                {"window": "demo/editor", "size": 3},
                {"tree": {"aggregate": "demo/editor", "timeout": 3.0}},
            ]
        ),
        WAITING.map(lambda given: {key: value for key, value in given.items() if key != "prompt"}),
    )
    council = st.builds(
        lambda team, lead, counts, waiting, named: {
            "members": team, "reviewers": ["demo/judge"], "chair": lead, **counts, **waiting, **named
        },
        team, SINGLE | AGGREGATE, COUNTS, WAITING, NAMED,
    )  # fmt: skip
    short = council | st.builds(
        lambda team, lead, depth, counts, waiting, named: {
            "proposers": team, "aggregator": lead, "layers": depth, **counts, **waiting, **named
        },
        team, SINGLE | AGGREGATE, st.integers(2, 4), COUNTS, WAITING, NAMED,
    )  # fmt: skip
    long = st.builds(
        lambda first, middle, last, waiting, named: {"layers": [first, *middle, last], **waiting, **named},
        propose,
        st.lists(propose | refining | st.builds(lambda inner: {"residual": inner}, propose), max_size=1),
        AGGREGATE | SINGLE,
        WAITING,
        NAMED,
    )
    return short | long | propose


ROUTE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(str.strip)


def routed(layer):
    """The layers that decide when they run which of theirs answer."""
    words = st.lists(st.sampled_from(["python", "/a+b/", "c++", "写"]), min_size=1, max_size=2)
    stage = st.builds(
        lambda team, lead: {"proposers": team, "aggregator": lead}, st.just([*NAMES[:2]]), SINGLE
    )
    routes = st.dictionaries(ROUTE, layer, min_size=1, max_size=2)
    return st.one_of(
        st.builds(
            lambda routes, words: {
                "routes": routes, "by": dict.fromkeys(routes, words), "default": min(routes),
            },
            routes, words,
        ),
        st.builds(
            lambda routes, by: {"routes": routes, "by": by, "descriptions": {min(routes): "x"}},
            routes, SINGLE,
        ),
        st.builds(
            lambda one, agree: {"cascade": [one, "demo/editor"], "agree": agree}, stage, st.floats(0.01, 1)
        ),
        st.builds(lambda one, judge: {"cascade": [one, one, "demo/editor"], "judge": judge}, stage, SINGLE),
        st.builds(lambda one, times: {"until": one, "times": times}, layer, st.integers(1, 5)),
        st.builds(lambda one, most: {"map": one, "split": one, "most": most}, SINGLE, st.integers(1, 9)),
        st.builds(lambda one: {"map": one, "split": one, "join": True}, SINGLE),
    )  # fmt: skip


FLAT = SINGLE | SAMPLED
ANY = FLAT | mixtures(FLAT | mixtures(FLAT)) | routed(FLAT | mixtures(FLAT)) | mixtures(FLAT | routed(FLAT))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(config=ANY)
def test_any_valid_configuration_makes_the_same_layer_again(config):
    layer = from_config(config)
    written = layer.to_config()
    again = from_config(written)
    assert again == layer and again.to_config() == written
    assert repr(from_config(again.to_config())) == repr(again)
    assert again.summary().calls == layer.summary().calls
    read = tomllib.loads(to_toml({"ensembles": {"x": written}}))["ensembles"]["x"]
    assert from_config(read) == layer


class Keep(Layer):
    """A layer of the user's own."""

    def __init__(self, judge, inner=(), *, keep=1, words=("a/b c", "http://x")):
        self.judge = judge
        self.inner = inner
        self.keep = keep
        self.words = words

    async def forward(self, prompt, references, run):
        return references[: self.keep]


LAYERS = [
    Agent("demo/planner", temperature=0.5, fallback="demo/skeptic"),
    MoA(["demo/planner", Agent("demo/skeptic", samples=2)], "demo/editor", layers=3, name="x", deadline=5),
    MoA(["demo/planner"], Aggregator("demo/editor", prompt="together"), quorum=1, grace=0),
    SelfMoA("demo/planner", samples=5),
    SelfMoA("demo/planner", bench=["demo/skeptic"], agreement=0.9),
    MoA(["demo/planner"], "demo/editor", layers=3, bench=[Agent("demo/skeptic", seed=1), "demo/editor"]),
    Sequential(
        Proposers("demo/planner", bench=[MoA(["demo/skeptic"], "demo/editor")], agreement=1), "demo/editor"
    ),
    Sequential(
        Proposers("demo/planner", MoA(["demo/skeptic"], "demo/editor"), samples=2, deadline=3),
        Residual(Proposers("demo/storyteller")),
        Aggregator("demo/editor", fallback="demo/planner", prompt=Template(instructions="Merge.")),
        name="deep", description="long", on_no_references="answer",
    ),
    Sequential(
        Proposers("demo/planner", samples=9),
        Shuffle(seed=3), Truncate(400), OutlierFilter(), OutlierFilter(drop=2), Diverse(5),
        Ranker("demo/judge", keep=4), Ranker(Agent("demo/judge", temperature=0), keep=3, by="pairs"),
        MostConsistent("demo/judge"),
    ),
    Sequential(Proposers("demo/planner", samples=2), BestOf(Agent("demo/judge", fallback="demo/editor"))),
    Sequential(
        Proposers("demo/planner", samples=2), Voter("number", weights={"demo/planner": 2.5}, ties="error")
    ),
    Sequential(Proposers("demo/planner", samples=2), Voter()),
    Sequential(Proposers("demo/planner", samples=2), Voter(re.compile(r"answer:\s*(\w+)", re.IGNORECASE))),
    Sequential(Proposers("demo/planner", samples=2), Voter(re.compile(r"(?im)^so (.*)$"))),
    Sequential(Proposers("demo/planner"), Keep(Agent("demo/editor", seed=1), [Agent("demo/planner")])),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_what_is_made_in_python_is_made_again_from_its_configuration(layer):
    again = from_config(layer.to_config(), layers=[Keep])
    assert again == layer
    assert repr(from_config(again.to_config(), layers=[Keep])) == repr(again)
    assert [path for path, _ in again.named_layers()] == [path for path, _ in layer.named_layers()]
    read = tomllib.loads(to_toml({"ensembles": {"x": layer.to_config()}}))["ensembles"]["x"]
    assert from_config(read, layers=[Keep]) == layer


def test_the_words_of_an_own_layer_stay_words():
    again = from_config(
        Keep(Agent("demo/editor"), words=["a/b c", "/etc/x", "http://x/y"]).to_config(), layers=[Keep]
    )
    assert again.words == ["a/b c", "/etc/x", "http://x/y"]


def test_a_provider_of_ones_own_is_handed_in():
    lab = moakit.Provider("lab", base_url="http://127.0.0.1:1/v1", api_key="secret-key-1")
    layer = MoA([lab("a"), lab("b", temperature=1)], lab("c"))
    config = layer.to_config()
    assert "secret" not in str(config) and "127.0.0.1" not in str(config)
    again = from_config(config, providers=[lab])
    assert again == layer and again["0.0"].bound.endpoint == lab.endpoint
    with pytest.raises(moakit.UserError, match="unknown provider 'lab'"):
        from_config(config)


def test_an_ensemble_of_a_file_makes_itself_again_with_its_providers(folder):
    (folder / "moa.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:1/v1"\n'
        '[ensembles.x]\nproposers = ["lab/a"]\naggregator = "lab/b"\nretries = 0\n'
    )
    loaded = moakit.load()
    again = loaded.agent(loaded["x"].to_config())
    assert again == loaded["x"] and again.name == "x"


def test_a_template_of_proposers_survives():
    config = {
        "layers": [
            {"propose": ["demo/planner"], "prompt": {"instructions": "Be brief."}},
            {"aggregate": "demo/editor"},
        ]
    }
    assert from_config(config).to_config() == config
