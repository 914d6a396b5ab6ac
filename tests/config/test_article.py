"""The article's `.env` does what its names say."""

import pytest

import moakit
from moakit import MoA
from moakit.config.article import to_config
from tests.article import LEAD, ONE, THREE, TWO, article
from tests.lab import references_in

CONVERSATION = [
    {"role": "system", "content": "Be brief"},
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "second"},
]


@pytest.fixture(scope="module")
def _article():
    with article() as found:
        yield found


@pytest.fixture
def papers(_article):
    _article.reset()
    return _article


def loaded(folder, text):
    (folder / ".env").write_text(text)
    return moakit.load()


def test_it_offers_one_ensemble_and_calls_each_model_at_its_own_address_with_its_own_key(folder, papers):
    config = loaded(folder, papers.env())
    assert list(config) == ["moa-groq"] and config.default == "moa-groq"
    assert isinstance(config["moa-groq"], MoA)
    answer = config["moa-groq"]("why")
    assert sorted(papers.models[:3]) == sorted([ONE, TWO, THREE]) and papers.models[3:] == [LEAD]
    papers.check()
    assert answer.text.startswith(f"{LEAD} #1") and len(answer.references) == 3


def test_the_proposers_are_asked_at_once(folder, papers):
    for upstream in papers.upstreams:
        upstream.behaves |= dict.fromkeys((ONE, TWO, THREE), "sleep:0.3")
    loaded(folder, papers.env())["moa-groq"]("why")
    began = [call.at for call, _ in papers.calls]
    assert began[2] - began[0] < 0.25 and began[3] - began[0] >= 0.3
    for upstream in papers.upstreams:
        upstream.behaves.clear()


def layers_of(papers, width):
    """The calls in groups of one layer each."""
    calls = [call for call, _ in papers.calls]
    return [calls[start : start + width] for start in range(0, len(calls), width)]


def test_agents_per_layer_rotate_from_layer_to_layer_and_afresh_in_each_run(folder, papers):
    config = loaded(folder, papers.env(layers=2, agents=2))
    for _ in range(2):
        papers.reset()
        config["moa-groq"]("why")
        first, second, lead = layers_of(papers, 2)
        assert [sorted(call.model for call in layer) for layer in (first, second, lead)] == [
            sorted([ONE, TWO]), sorted([THREE, ONE]), [LEAD],
        ]  # fmt: skip
        assert all(references_in(call) == [] for call in first)
        assert {text.split(" ")[0] for call in second for text in references_in(call)} == {ONE, TWO}
        assert [text.split(" ")[0] for text in references_in(lead[0])] == [THREE, ONE]
        papers.check()


@pytest.mark.parametrize("changes", [{"rounds": 2}, {"layers": 2}])
def test_two_layers_or_two_rounds_of_all_are_two_layers_of_all(folder, papers, changes):
    ensemble = loaded(folder, papers.env(**changes))["moa-groq"]
    ensemble("why")
    first, second, lead = layers_of(papers, 3)
    assert sorted(call.model for call in first) == sorted(call.model for call in second)
    assert all(len(references_in(call)) == 3 for call in second) and lead[0].model == LEAD
    papers.check()


def test_layers_and_rounds_multiply(folder, papers):
    ensemble = loaded(folder, papers.env(layers=2, rounds=3, agents=1))["moa-groq"]
    ensemble("why")
    assert papers.models == [ONE, TWO, THREE, ONE, TWO, THREE, LEAD]


def test_more_agents_than_models_take_some_twice(folder, papers):
    ensemble = loaded(folder, papers.env(agents=4))["moa-groq"]
    ensemble("why")
    assert sorted(papers.models[:4]) == sorted([ONE, ONE, TWO, THREE])


def test_multiturn_sends_the_conversation_or_its_last_turn(folder, papers):
    loaded(folder, papers.env())["moa-groq"](CONVERSATION)
    assert all(call.messages == CONVERSATION for call, _ in papers.calls[:3])
    papers.reset()
    loaded(folder, papers.env(multiturn=False))["moa-groq"](CONVERSATION)
    assert len(papers.calls) == 4
    for call, _ in papers.calls[:3]:
        assert call.messages == [CONVERSATION[0], CONVERSATION[3]]
    lead = papers.calls[3][0]
    assert [message["role"] for message in lead.messages] == ["system", "user"]
    assert lead.messages[1]["content"].startswith("second\n") and "first" not in lead.prompt.split()


def test_the_same_file_works_for_ollama_and_both_may_be_there(folder, papers):
    text = papers.env("OLLAMA", layers=2, agents=2)
    config = loaded(folder, text)
    assert list(config) == ["moa-ollama"]
    assert config["moa-ollama"]("why").cost == 0
    assert len(papers.models) == 5
    papers.check()
    both = loaded(folder, papers.env() + text)
    assert list(both) == ["moa-groq", "moa-ollama"] and both.default == "moa-groq"


def test_an_address_without_a_path_is_ollamas(folder, papers):
    one, two = papers.upstreams[1:]
    config = loaded(folder, (
        "OLLAMA_MODEL_AGGREGATE=lead\nOLLAMA_MODEL_REFERENCE_1=small\n"
        f"OLLAMA_API_BASE_1=http://127.0.0.1:{one.port}\nOLLAMA_API_KEY_1=gsk_key2\n"
        f"OLLAMA_MODEL_AGGREGATE_API_BASE=http://127.0.0.1:{two.port}/\nOLLAMA_MODEL_AGGREGATE_API_KEY=gsk_key3\n"
    ))  # fmt: skip
    config["moa-ollama"]("why")
    assert [(call.path, call.model, number) for call, number in papers.calls] == [
        ("/v1/chat/completions", "small", 1), ("/v1/chat/completions", "lead", 2),
    ]  # fmt: skip


def test_what_is_not_set_has_its_usual_value(folder, papers):
    text = (
        f"GROQ_API_BASE_1={papers.upstreams[0].base_url}\nGROQ_API_KEY=gsk_key1\n"
        "GROQ_MODEL_AGGREGATE=lead\nGROQ_MODEL_REFERENCE_2=b\nGROQ_MODEL_REFERENCE_10=c\nGROQ_MODEL_REFERENCE_1=a\n"
    )
    config = loaded(folder, text)
    assert [layer.model for layer in config["moa-groq"].proposers] == ["groq/a", "groq/b", "groq/c"]
    config["moa-groq"]("why")
    assert sorted(papers.models) == ["a", "b", "c", "lead"]
    for call, _ in papers.calls:
        assert call.key == "gsk_key1" and not {"temperature", "max_tokens"} & call.body.keys()


def test_the_process_environment_wins_over_the_file(folder, papers, monkeypatch):
    monkeypatch.setenv("GROQ_LAYERS", "2")
    assert len(loaded(folder, papers.env())["moa-groq"]) == 3


BAD = [
    ("layers", "0", "GROQ_LAYERS = '0' is not a whole number, 1 or more"),
    ("agents", "two", "GROQ_AGENTS_PER_LAYER = 'two' is not a whole number, 1 or more"),
    ("rounds", "-1", "GROQ_DEFAULT_ROUNDS = '-1' is not a whole number, 1 or more"),
    ("rounds", "²", "GROQ_DEFAULT_ROUNDS = '²' is not a whole number, 1 or more"),
    ("layers", "1" * 5000, "GROQ_LAYERS = 111111111111 … is too large"),
    ("multiturn", "maybe", "GROQ_MULTITURN = 'maybe' is not True or False"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_a_value_that_is_none_is_refused_by_name(folder, papers, name, value, message):
    with pytest.raises(moakit.ConfigError) as caught:
        loaded(folder, papers.env(**{name: value}))
    assert caught.value.message == message


@pytest.mark.parametrize("value", ["hot", "nan", "inf", "-1"])
def test_a_temperature_that_is_none_is_refused_by_name(folder, papers, value):
    text = papers.env().replace("TEMPERATURE=0.9", f"TEMPERATURE={value}")
    with pytest.raises(moakit.ConfigError, match=r"GROQ_DEFAULT_TEMPERATURE|temperature"):
        loaded(folder, text)


def test_an_aggregator_without_references_is_refused(folder):
    with pytest.raises(moakit.ConfigError, match="GROQ_MODEL_REFERENCE_1 is not"):
        loaded(folder, "GROQ_MODEL_AGGREGATE=x\n")


def test_no_key_stands_in_what_is_made_of_it(folder, papers):
    config = loaded(folder, papers.env())
    shown = repr(config) + str(config.data) + repr(config["moa-groq"]) + str(config["moa-groq"].to_config())
    assert "gsk_key" not in shown


@pytest.mark.parametrize(("name", "value"), [("layers", "99999999"), ("agents", "1001"), ("rounds", "334")])
def test_more_proposals_than_anyone_can_wait_for_are_refused(folder, papers, name, value):
    with pytest.raises(moakit.ConfigError, match="asks for more than 1000 proposals"):
        loaded(folder, papers.env(**{name: value}))


@pytest.mark.parametrize("number", ["0", "01", "٣", "1" * 5000])
def test_a_reference_of_a_number_nobody_writes_is_passed_over(number):
    environ = {"GROQ_MODEL_AGGREGATE": "x", f"GROQ_MODEL_REFERENCE_{number}": "y"}
    with pytest.raises(moakit.ConfigError, match="GROQ_MODEL_REFERENCE_1 is not"):
        to_config(environ)
