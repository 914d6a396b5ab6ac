"""The short form and the long form of an ensemble."""

import pytest

from moakit import Agent, Aggregator, Layer, MoA, Proposers, Residual, Sequential
from tests.config.making import config, refusal

DESIGN = """
default = "panel"

[providers.groq]
requests_per_minute = 30
[providers.lab]
base_url = "http://127.0.0.1:8080/v1"
api_key = "${LAB_API_KEY}"

[ensembles.panel]
description = "Three small models, one large"
proposers = [
    "groq/llama-3.1-8b-instant", "lab/gemma",
    { model = "together/Qwen/Qwen2.5-72B-Instruct-Turbo", temperature = 0.9, samples = 2 },
]
aggregator = { model = "groq/llama-3.3-70b-versatile", temperature = 0.2 }
layers = 3
deadline = 30

[ensembles.deep]
[[ensembles.deep.layers]]
propose = ["lab/a", "lab/b"]
samples = 2
[[ensembles.deep.layers]]
aggregate = "lab/large"

[server]
host = "127.0.0.1"
port = 6620
keys = ["${MOA_SERVER_KEY}"]
"""


@pytest.fixture
def design():
    return config(DESIGN, LAB_API_KEY="lab-key", MOA_SERVER_KEY="server-key")


def test_the_short_form_is_a_mixture_of_agents(design):
    panel = design["panel"]
    assert isinstance(panel, MoA) and len(panel) == 3
    assert (panel.name, panel.description) == ("panel", "Three small models, one large")
    assert [agent.model for agent in panel.proposers.layers] == [
        "groq/llama-3.1-8b-instant", "lab/gemma", "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
    ]  # fmt: skip
    qwen = panel["0.2"]
    assert (qwen.temperature, qwen.samples) == (0.9, 2)
    assert panel.aggregator.agent.temperature == 0.2
    assert panel.settings.deadline == 30
    assert panel.summary().calls == 2 * 4 + 1


def test_the_long_form_is_any_layers_in_order(design):
    deep = design["deep"]
    assert isinstance(deep, Sequential) and deep.name == "deep"
    assert [type(layer) for layer in deep] == [Proposers, Aggregator]
    assert deep[0].samples == 2 and deep.summary().calls == 5


def test_the_default_is_what_it_says_else_the_first(design):
    assert design.default == "panel" and list(design) == ["panel", "deep"] and len(design) == 2
    assert (
        config('[ensembles.b]\nmodel = "demo/planner"\n[ensembles.a]\nmodel = "demo/editor"\n').default == "b"
    )


def test_the_server_is_as_written(design):
    assert (design.server.host, design.server.port, design.server.keys) == ("127.0.0.1", 6620, ["server-key"])


def test_every_kind_of_layer_may_stand_in_the_long_form():
    made = config("""
        [ensembles.x]
        retries = 1
        [[ensembles.x.layers]]
        propose = ["demo/planner", { model = "demo/skeptic", samples = 2 }]
        [[ensembles.x.layers]]
        residual = { propose = ["demo/storyteller"] }
        [[ensembles.x.layers]]
        propose = [{ proposers = ["demo/planner"], aggregator = "demo/editor" }, "demo/skeptic"]
        [[ensembles.x.layers]]
        aggregate = { model = "demo/editor", system = "Be brief" }
        fallback = "demo/planner"
        prompt = "together"
    """)["x"]
    assert [type(layer) for layer in made] == [Proposers, Residual, Proposers, Aggregator]
    assert isinstance(made["2.0"], MoA)
    assert made[3].settings.prompt == "together" and made["3.0"].fallback[0].model == "demo/planner"
    assert made.settings.retries == 1


def test_a_name_alone_and_a_single_layer_are_ensembles_too():
    made = config("""
        [ensembles]
        quick = "demo/planner"
        [ensembles.cool]
        model = "demo/planner"
        temperature = 0.1
        [ensembles.row]
        layers = ["demo/planner", "demo/editor"]
    """)
    assert isinstance(made["quick"], Agent) and made["cool"].temperature == 0.1
    assert [agent.model for agent in made["row"]] == ["demo/planner", "demo/editor"]


def test_every_setting_of_waiting_and_failing_may_stand_in_either_form():
    settings = """
        quorum = 1
        grace = 0
        minimum = 1
        deadline = 20.5
        timeout = 10
        first_token = 5
        idle = 3
        retries = 0
        strict = false
        on_no_references = "answer"
        on_no_aggregator = "best"
        multiturn = false
        prompt = { instructions = "Merge them.", closing = "" }
    """
    made = config(f"""
        [ensembles.short]
        proposers = ["demo/planner", "demo/skeptic"]
        aggregator = "demo/editor"
        {settings}
        [ensembles.long]
        {settings}
        [[ensembles.long.layers]]
        propose = ["demo/planner", "demo/skeptic"]
        [[ensembles.long.layers]]
        aggregate = "demo/editor"
    """)
    short, long = made["short"], made["long"]
    for held in (short.settings, long.settings):
        assert (held.deadline, held.timeout, held.first_token, held.idle) == (20.5, 10, 5, 3)
        assert (held.retries, held.multiturn, held.on_no_references) == (0, False, "answer")
        assert held.on_no_aggregator == "best" and held.prompt.instructions == "Merge them."
    assert (short.proposers.settings.quorum, short.proposers.settings.grace) == (1, 0)
    assert (long.settings.quorum, long.settings.minimum) == (1, 1)


class Vote(Layer):
    """A layer of the user's own."""

    def __init__(self, judge, keep=1, words=()):
        self.judge = judge
        self.keep = keep
        self.words = words

    async def forward(self, prompt, references, run):
        return references[: self.keep]

    def shape(self, references):
        return self.keep


OWN = """
    [ensembles.x]
    [[ensembles.x.layers]]
    propose = ["demo/planner", "demo/skeptic"]
    [[ensembles.x.layers]]
    layer = "Vote"
    judge = "demo/editor"
    words = ["a", "b"]
"""


async def test_a_layer_of_the_users_own_is_named_by_its_class():
    made = config(OWN, layers=[Vote])["x"]
    vote = made[1]
    assert isinstance(vote, Vote) and (vote.keep, vote.words) == (1, ["a", "b"])
    assert isinstance(vote.judge, Agent) and vote.judge.model == "demo/editor"
    answer = await made.run("why", extra={})
    assert answer.response.model == "demo/planner"


def test_it_may_be_the_whole_ensemble():
    made = config('[ensembles.x]\nlayer = "Vote"\njudge = "demo/editor"\n', layers=[Vote])
    assert isinstance(made["x"], Vote)


def test_an_own_layer_that_was_not_given_says_what_to_do():
    message, hint = refusal(OWN)
    assert message == "ensembles.x.layers[1]: unknown layer 'Vote'"
    assert hint == "pass its class: from_config(config, layers=[…])"


def test_an_own_layer_with_a_wrong_argument_is_refused_with_its_path():
    with pytest.raises(Exception, match=r"ensembles\.x: .*jugde") as caught:
        config('[ensembles.x]\nlayer = "Vote"\njugde = "demo/editor"\n', layers=[Vote])
    assert "ensembles.x" in str(caught.value)
