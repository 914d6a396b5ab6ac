"""What is wrong in a configuration is refused with its path, and with the nearest thing that is right."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moakit.config import Config, from_config, load
from moakit.errors import ConfigError, UserError
from tests.config.making import refusal

TEAM = 'proposers = ["demo/planner"]\naggregator = "demo/editor"\n'
LAB = '[providers.lab]\nbase_url = "http://x/v1"\n'
UNKNOWN = [
    ("enssembles = 1", "unknown key enssembles", "did you mean 'ensembles'?"),
    ("[server]\nprot = 1", "unknown key server.prot", "did you mean 'port'?"),
    ('[providers.lab]\nbase_ulr = "x"', "unknown key providers.lab.base_ulr", "did you mean 'base_url'?"),
    ("[ensembles.x]\nlayrs = []", "unknown key ensembles.x.layrs", "did you mean 'layers'?"),
    (f"[ensembles.x]\n{TEAM}deadlin = 5", "unknown key ensembles.x.deadlin", "did you mean 'deadline'?"),
    (
        f'[ensembles.x]\n{TEAM}fallback = {{ model = "demo/editor", temprature = 1 }}',
        "unknown key ensembles.x.fallback[0].temprature",
        "did you mean 'temperature'?",
    ),
    (
        '[[ensembles.x.layers]]\npropose = ["demo/planner"]\nsample = 2',
        "unknown key ensembles.x.layers[0].sample",
        "did you mean 'samples'?",
    ),
    (
        f'[ensembles.x]\n{TEAM}prompt = {{ instruction = "x" }}',
        "unknown key ensembles.x.prompt.instruction",
        "did you mean 'instructions'?",
    ),
    (
        LAB + "price = { input = 1, output = 2, cache = 1 }",
        "unknown key providers.lab.price.cache",
        "did you mean 'cached'?",
    ),
]


@pytest.mark.parametrize(("toml", "message", "hint"), UNKNOWN, ids=[m for _, m, _ in UNKNOWN])
def test_an_unknown_key_is_named_with_its_path_and_the_nearest_known(toml, message, hint):
    assert refusal(toml) == (message, hint)


def test_an_unknown_key_like_none_other_lists_those_there_are():
    message, hint = refusal("[server]\nzzz = 1")
    assert message == "unknown key server.zzz"
    assert hint.startswith("known keys: concurrency, drain, host, keys,")


WRONG = [
    ('[server]\nport = "80"', "server.port: expected int, got str"),
    ("[server]\nport = 70000", "server.port: expected int <= 65535"),
    ('[server]\nkeys = "one"', "server.keys: expected array, got str"),
    ("[server]\nmax_body = 10", "server.max_body: expected int >= 1024"),
    ('[server]\nusage = "all"', "server.usage: invalid enum value 'all'"),
    ("[[ensembles.x.layers]]\ndiverse = 0", "ensembles.x.layers[0].diverse: expected int >= 1"),
    ('[[ensembles.x.layers]]\nrank = "demo/judge"\nby = "luck"',
     "ensembles.x.layers[0].by: invalid enum value 'luck'"),
    ('[[ensembles.x.layers]]\nbest_of = { propose = ["demo/planner"] }',
     "ensembles.x.layers[0]: a judge is an agent, not Proposers"),
    ('[[ensembles.x.layers]]\nvote = "numbers"', "ensembles.x.layers[0].vote: invalid enum value 'numbers'"),
    ('[[ensembles.x.layers]]\nvote = { pattern = "(" }',
     "ensembles.x.layers[0].vote.pattern: '(' is not a pattern"),
    ('[[ensembles.x.layers]]\nvote = { patern = "x" }', "unknown key ensembles.x.layers[0].vote.patern"),
    ('[[ensembles.x.layers]]\nvote = "text"\nweights = { "demo/planner" = -1 }',
     "ensembles.x.layers[0].weights[...]: expected float >= 0"),
    ("default = 5", "default: expected str, got int"),
    ('ensembles = ["x"]', "ensembles: expected object, got array"),
    ("[ensembles]\nx = 5", "ensembles.x: expected a model's name or a table"),
    ("[ensembles.x]", "ensembles.x is empty"),
    ('[ensembles.x]\nproposers = "demo/planner"\naggregator = "demo/editor"',
     "ensembles.x.proposers: expected array, got str"),
    ('[ensembles.x]\nproposers = ["demo/planner"]',
     "ensembles.x: object missing required field `aggregator`"),
    ('[ensembles.x]\nproposers = []\naggregator = "demo/editor"',
     "ensembles.x: Proposers needs at least one"),
    (f"[ensembles.x]\n{TEAM}layers = 1", "ensembles.x.layers: expected int >= 2"),
    (f"[ensembles.x]\n{TEAM}deadline = 0", "ensembles.x.deadline: expected float > 0.0"),
    (f"[ensembles.x]\n{TEAM}deadline = nan", "ensembles.x.deadline: expected a finite number, got nan"),
    (f"[ensembles.x]\n{TEAM}deadline = inf", "ensembles.x.deadline: expected a finite number, got inf"),
    (f"[ensembles.x]\n{TEAM}retries = -1", "ensembles.x.retries: expected int >= 0"),
    (f"[ensembles.x]\n{TEAM}agreement = 0", "ensembles.x.agreement: expected float > 0.0"),
    (f"[ensembles.x]\n{TEAM}agreement = 1.5", "ensembles.x.agreement: expected float <= 1.0"),
    (f'[ensembles.x]\n{TEAM}measure = "words"', "unknown key ensembles.x.measure"),
    (f'[ensembles.x]\n{TEAM}bench = "demo/editor"', "ensembles.x.bench: expected array, got str"),
    (f'[ensembles.x]\n{TEAM}bench = ["demo/editor", "grok/x"]', "ensembles.x.bench[1]: unknown provider"),
    (f'[ensembles.x]\n{TEAM}bench = [{{ model = "demo/editor", samples = 2 }}]',
     "ensembles.x: Proposers: demo/editor on the bench has samples = 2"),
    (f"[ensembles.x]\n{TEAM}strict = 1", "ensembles.x.strict: expected bool, got int"),
    (f'[ensembles.x]\n{TEAM}on_no_references = "ask"',
     "ensembles.x.on_no_references: invalid enum value 'ask'"),
    (f'[ensembles.x]\n{TEAM}prompt = "haiku"', "ensembles.x: unknown prompt layout 'haiku'"),
    (f"[ensembles.x]\n{TEAM}quorum = 2", "ensembles.x: Proposers: quorum = 2 of only 1 proposers"),
    ('[ensembles.x]\nmodel = "demo/planner"\nmax_tokens = 0', "ensembles.x.max_tokens: expected int >= 1"),
    ('[ensembles.x]\nmodel = "demo/planner"\ntemperature = "hot"',
     "ensembles.x.temperature: expected float, got str"),
    ('[ensembles.x]\nmodel = "planner"', "ensembles.x: unknown model 'planner'"),
    ('[ensembles.x]\nmodel = "grok/llama"', "ensembles.x: unknown provider 'grok'"),
    ('[ensembles.x]\nmodel = "demo/plannr"', "ensembles.x: unknown demo model 'plannr'"),
    (f'default = "y"\n[ensembles.x]\n{TEAM}', "unknown ensemble 'y'"),
    ('[ensembles.x]\naggregate = "demo/editor"', "ensembles.x: "),
    ('[[ensembles.x.layers]]\naggregate = "demo/editor"', "ensembles.x: layer 0: "),
    ('[ensembles.x]\nproposers = ["demo/planner"]\naggregator = { model = "demo/editor", samples = 2 }',
     "ensembles.x: an aggregator gives one response"),
    (f'[ensembles.x]\n{TEAM}fallback = {{ propose = ["demo/planner"] }}',
     "ensembles.x.fallback[0]: a fallback is an agent"),
    ("[providers]\nlab = 5", "providers.lab is not a table"),
    ("[providers.lab]\nconcurrency = 2", "providers.lab: base_url is missing"),
    ('[providers.lab]\nbase_url = "localhost:80"',
     "provider 'lab': base_url 'localhost:80' is not an http(s) address"),
    ('[providers."a/b"]\nbase_url = "http://x/v1"', "providers.a/b: a provider's name has no slash"),
    (LAB + "price = -1", "providers.lab.price: "),
    (LAB + 'price = "low"', "providers.lab.price: expected float | object, got str"),
    (LAB + 'price = { gemma = "low" }', "providers.lab.price.gemma: expected a number"),
    (LAB + "price = { gemma = -1 }", "providers.lab.price.gemma: "),
    (LAB + f"price = 1{'0' * 400}", "providers.lab.price: "),
    (LAB + f"price = {{ gemma = 1{'0' * 400} }}", "providers.lab.price.gemma: "),
    (f"[ensembles.x]\n{TEAM}layers = 1001", "ensembles.x: MoA: layers is more than 1000"),
    (f"[ensembles.x]\n{TEAM}layers = 1{'0' * 400}", "ensembles.x: MoA: layers is more than 1000"),
    ("ensembles.x" + ".a" * 200 + " = 1", "the configuration nests deeper than 100 levels"),
    (LAB + 'like = "grok"', "providers.lab.like: unknown provider 'grok'"),
    (LAB + "headers = { a = 1 }", "providers.lab.headers"),
    (LAB + "requests_per_minute = 0", "providers.lab.requests_per_minute: expected float > 0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "start"), WRONG, ids=[start for _, start in WRONG])
def test_a_wrong_value_is_refused_with_its_path(toml, start):
    message, _ = refusal(toml)
    assert message.startswith(start)


def test_the_nearest_provider_model_and_ensemble_are_named():
    assert refusal('[ensembles.x]\nmodel = "grok/llama"')[1] == "did you mean 'groq'?"
    assert refusal('[ensembles.x]\nmodel = "demo/plannr"')[1] == "did you mean 'planner'?"
    assert refusal(f'default = "panle"\n[ensembles.panel]\n{TEAM}')[1] == "did you mean 'panel'?"


def test_a_broken_file_is_refused_with_its_name_and_place(folder):
    (folder / "mine.toml").write_text("[server\nport = 1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: not valid TOML: .*line 1"):
        load(folder / "mine.toml")


def test_what_is_wrong_in_a_file_is_told_with_its_name(folder):
    (folder / "mine.toml").write_text("[server]\nprot = 1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown key server\.prot"):
        load(folder / "mine.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a = '\xe9'"])
def test_a_file_that_is_no_text_is_refused_with_its_name(folder, content):
    (folder / "mine.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.toml: cannot be read"):
        load(folder / "mine.toml")


def test_a_file_that_is_not_there_is_refused_with_a_hint(folder):
    with pytest.raises(ConfigError, match=r"gone\.toml: there is no such file") as caught:
        load(folder / "gone.toml")
    assert caught.value.hint == "`moa init` writes one"


def test_a_folder_is_not_a_file(folder):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(folder)


def test_a_byte_order_mark_is_passed_over(folder):
    (folder / "mine.toml").write_text(f"[ensembles.x]\n{TEAM}", encoding="utf-8-sig")
    assert list(load(folder / "mine.toml")) == ["x"]


def test_the_path_of_what_has_none_is_its_own_key():
    for config, path in [
        (
            {"proposers": ["demo/planner", "x"], "aggregator": "demo/editor"},
            "proposers[1]: unknown model 'x'",
        ),
        ({"layers": [{"propose": []}]}, "layers[0]: Proposers needs"),
        ({"proposers": "demo/planner", "aggregator": "demo/editor"}, "proposers: expected array"),
        ({"propose": ["demo/planner"], "fallback": []}, "unknown key fallback"),
        ({"proposers": ["demo/planner"]}, "the configuration: object missing required field `aggregator`"),
        (5, "the configuration: expected"),
    ]:
        with pytest.raises(ConfigError) as caught:
            from_config(config)
        assert caught.value.message.startswith(path)


@pytest.mark.parametrize("content", ["x = " + "1" * 5000, "x = " + "[" * 20_000, "x = " + "{a = " * 20_000])
def test_a_number_or_a_nesting_without_end_is_no_toml(folder, content):
    (folder / "mine.toml").write_text(content)
    with pytest.raises(ConfigError, match=r"mine\.toml: (not valid TOML|the configuration nests)"):
        load(folder / "mine.toml")


@pytest.mark.parametrize("key", ["residual", "aggregate"])
def test_layers_inside_layers_without_end_are_refused(folder, key):
    (folder / "mine.toml").write_text("ensembles.x" + f".{key}" * 3000 + ' = "demo/planner"')
    with pytest.raises(ConfigError, match="nests deeper"):
        load(folder / "mine.toml")


GOOD = """\
default = "panel"
[providers.lab]
base_url = "http://127.0.0.1:1/v1"
api_key = "${LAB_KEY}"
price = { small = 1, large = { input = 1, output = 2.5 } }
[ensembles.panel]
proposers = ["demo/planner", { model = "lab/a", samples = 2, extra = { x = 1979-05-27 } }]
aggregator = "demo/editor"
layers = 3
deadline = 30
[[ensembles.deep.layers]]
propose = ["lab/a"]
[[ensembles.deep.layers]]
aggregate = "demo/editor"
[server]
keys = ["${LAB_KEY}"]
overrides = false
"""
WORDS = [
    "=",
    "[",
    "]",
    "{",
    "}",
    '"',
    "\n",
    ".",
    "-1",
    "1e999",
    "nan",
    "true",
    "''",
    "layers",
    "propose",
    "lab",
]


@settings(max_examples=300)
@given(data=st.data())
def test_a_good_file_with_some_of_it_changed_is_a_configuration_or_a_users_error(data):
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        to = at + data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.sampled_from(["", *WORDS]) | st.text(max_size=3)) + text[to:]
    try:
        made = Config(tomllib.loads(text), source="a test", environ={"LAB_KEY": "made-up-key"})
    except (UserError, tomllib.TOMLDecodeError) as error:
        assert "made-up-key" not in str(error)  # noqa: PT017 - either way is right
    else:
        assert [made.agent(layer.to_config()) for layer in made.values()] == list(made.values())
