"""What a sequence of layers takes from torch: index, slice, length, +, *, replace."""

import pytest

import moakit
from moakit import Agent, Aggregator, ConfigError, MoA, Proposers, Residual, Sequential, ShapeError

A, B, C = (Agent(f"demo/{name}") for name in ("planner", "skeptic", "storyteller"))
TEAM, LEAD = Proposers(A, B), Aggregator("demo/editor")


def test_layers_are_reached_by_index_and_slice():
    ensemble = Sequential(TEAM, Residual(TEAM), LEAD)
    assert len(ensemble) == 3
    assert ensemble[0] is TEAM and ensemble[-1] is LEAD
    assert ensemble[:2] == Sequential(TEAM, Residual(TEAM))
    assert ensemble[::2] == Sequential(TEAM, LEAD)
    assert list(ensemble) == [TEAM, Residual(TEAM), LEAD]
    assert [type(layer) for layer in MoA([A, B], C, layers=3)[1:]] == [Proposers, Aggregator]
    with pytest.raises(IndexError):
        ensemble[3]
    with pytest.raises(ConfigError, match="at least one layer"):
        ensemble[:0]


def test_an_index_of_another_kind_is_a_type_error():
    with pytest.raises(TypeError, match=r"Proposers takes an index or an address, not slice"):
        TEAM[:1]
    with pytest.raises(TypeError, match=r"Agent takes an index or an address, not 1\.5"):
        A[1.5]


def test_a_slice_keeps_name_and_settings():
    ensemble = Sequential(TEAM, TEAM, LEAD, name="deep", description="two layers", deadline=9)
    assert ensemble[1:].options() == {"name": "deep", "description": "two layers", "deadline": 9}


def test_layers_are_found_by_their_address():
    ensemble = Sequential(TEAM, Residual(MoA([A, B], C)), LEAD)
    assert ensemble["0.1"] is B and ensemble["1.0.0.1"] is B and ensemble["1.0.1.0"] is C
    assert ensemble[""] is ensemble
    assert ensemble["0.1#2"] is B
    for path, layer in ensemble.named_layers():
        assert ensemble[path] is layer
    assert [path for path, _ in ensemble.named_layers()] == [
        "", "0", "0.0", "0.1", "1", "1.0", "1.0.0", "1.0.0.0", "1.0.0.1", "1.0.1", "1.0.1.0", "2", "2.0",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["0.7", "3", "0.1.0", "2.0.0"])
def test_an_address_where_nothing_stands_is_an_error_that_names_all_of_it(path):
    ensemble = Sequential(TEAM, TEAM, LEAD)
    for look in (lambda: ensemble[path], lambda: ensemble.replace(path, C)):
        with pytest.raises(ConfigError, match=f"there is no layer '{path}'") as caught:
            look()
        assert caught.value.hint == "there are: 0, 0.0, 0.1, 1, 1.0, 1.1, 2, 2.0"


@pytest.mark.parametrize("path", ["x", "0..1", "0.", "-1", "0.two"])
def test_what_is_no_address_is_an_error(path):
    with pytest.raises(ConfigError, match="is not an address"):
        Sequential(TEAM, LEAD)[path]


def test_sequences_add_up():
    assert Sequential(TEAM) + LEAD == Sequential(TEAM, LEAD)
    assert Sequential(TEAM, name="x") + Sequential(TEAM, LEAD) == Sequential(TEAM, TEAM, LEAD, name="x")
    assert (Sequential(TEAM) + "demo/editor")["1"] == Agent("demo/editor")


def test_adding_a_sequence_with_settings_of_its_own_keeps_them():
    strict = Sequential(TEAM, LEAD, strict=True)
    both = Sequential(TEAM) + strict
    assert both[1] is strict
    assert len(both) == 2


def test_sequences_repeat():
    assert Sequential(TEAM, strict=True) * 3 == Sequential(TEAM, TEAM, TEAM, strict=True)
    assert Sequential(*[TEAM] * 3, LEAD)[2] is TEAM
    with pytest.raises(ConfigError):
        Sequential(TEAM) * 0


def test_replace_makes_a_new_ensemble_and_leaves_the_old_one():
    ensemble = MoA([A, B], C, layers=3, name="panel", deadline=20)
    before = repr(ensemble)
    changed = ensemble.replace("0.1", "demo/storyteller")
    assert changed["0.1"] == C and changed["1.1"] == B
    assert changed.options() == {"name": "panel", "deadline": 20}
    assert repr(ensemble) == before and ensemble["0.1"] is B
    assert (
        changed.replace("0.1", B).to_config()["layers"] == Sequential(*ensemble.layers).to_config()["layers"]
    )


def test_replace_takes_a_layer_a_name_or_a_model():
    ensemble = Sequential(TEAM, LEAD)
    inner = MoA([A], B)
    assert ensemble.replace("0.0", inner)["0.0.1.0"] is B
    assert ensemble.replace("0", inner)[0] is inner
    assert (
        ensemble.replace("1.0", moakit.Provider("lab", base_url="http://127.0.0.1:1/v1")("x"))["1.0"].model
        == "lab/x"
    )
    assert ensemble.replace("", A) is A


def test_replace_looks_for_a_names_provider_in_the_ensemble():
    lab = moakit.Provider("lab", base_url="http://127.0.0.1:1/v1", api_key="k")
    changed = MoA([lab("a"), A], lab("b")).replace("0.1", "lab/c")
    assert changed["0.1"].bound.endpoint is lab.endpoint
    with pytest.raises(moakit.UnknownModel, match="unknown provider 'labb'"):
        MoA([lab("a")], lab("b")).replace("0.0", "labb/c")


def test_replace_checks_what_building_would_check():
    with pytest.raises(ShapeError, match="gives 3"):
        Sequential(TEAM, LEAD).replace("1.0", Agent("demo/editor", samples=3))
    with pytest.raises(ConfigError, match="minimum = 2 of only 1"):
        Proposers(Agent("demo/planner", samples=2), minimum=2).replace("0", A)


def test_replace_inside_a_residual_and_an_aggregator():
    ensemble = Sequential(TEAM, Residual(TEAM), Aggregator(A, prompt="together", fallback=B))
    changed = ensemble.replace("1.0.0", C).replace("2.0", B)
    assert changed["1.0.0"] is C and changed["1.0.1"] is B
    assert changed[2].options() == {"prompt": "together"} and changed["2.0"] is B


async def test_a_replaced_proposer_draws_its_samples_beside_the_others(up, lab):
    ensemble = MoA([lab("a"), lab("b")], lab("lead")).replace("0.1", lab("c", samples=2))
    answer = await ensemble.run("why")
    assert [reference.path for reference in answer.references] == ["0.0", "0.1#0", "0.1#1"]
    assert ensemble.summary().calls == len(answer.calls)
