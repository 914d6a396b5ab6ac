"""The settings of waiting and failing."""

import pytest

from moakit.errors import ConfigError
from moakit.policies.settings import DEFAULTS, NO_SETTINGS, Settings, settings_from
from moakit.prompts import Template


def test_settings_that_are_not_given_are_none():
    assert settings_from("MoA") is settings_from("MoA", quorum=None) is NO_SETTINGS
    assert settings_from("MoA", quorum=2).given() == {"quorum": 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grace", 0),
        ("grace", 1.5),
        ("deadline", 0.1),
        ("timeout", 5),
        ("first_token", 5),
        ("idle", 5),
        ("retries", 0),
        ("quorum", 1),
        ("minimum", 1),
        ("max_tokens", 1),
        ("reference_tokens", 1),
        ("strict", False),
        ("multiturn", False),
        ("tools", "vote"),
        ("merge", "fields"),
        ("on_no_references", "answer"),
        ("on_no_aggregator", "best"),
        ("agreement", 0.8),
        ("agreement", 1),
        ("measure", len),
        ("prompt", "together"),
        ("prompt", Template()),
        ("prompt", lambda messages, references, seed: messages),
    ],
)
def test_a_good_value_is_kept(name, value):
    assert settings_from("MoA", **{name: value}).given() == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grace", -1),
        ("deadline", 0),
        ("timeout", "5"),
        ("timeout", True),
        ("idle", float("nan")),
        ("retries", -1),
        ("retries", 1.5),
        ("retries", True),
        ("quorum", 0),
        ("minimum", 0),
        ("max_tokens", 0),
        ("agreement", 0),
        ("agreement", 1.01),
        ("agreement", -1),
        ("agreement", True),
        ("agreement", "0.8"),
        ("agreement", float("nan")),
        ("measure", "words"),
        ("reference_tokens", 0),
        ("reference_tokens", 1.5),
        ("strict", 1),
        ("strict", "yes"),
        ("multiturn", "no"),
        ("tools", "proposers"),
        ("merge", True),
        ("on_no_references", "maybe"),
        ("on_no_aggregator", True),
    ],
)
def test_a_bad_value_names_its_owner_and_its_setting(name, value):
    with pytest.raises(ConfigError, match=f"^MoA: {name} = "):
        settings_from("MoA", **{name: value})


def test_an_unknown_prompt_comes_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'together'"):
        settings_from("MoA", prompt="togther")


def test_gaps_are_filled_from_the_layer_around():
    inner, outer = Settings(retries=0, strict=False), Settings(retries=5, strict=True, grace=1.0)
    merged = inner.over(outer)
    assert (merged.retries, merged.strict, merged.grace) == (0, False, 1.0)


def test_a_deadline_is_the_layers_own():
    assert Settings(deadline=1.0).over(Settings(deadline=2.0)).deadline is None
    assert NO_SETTINGS.over(Settings(deadline=2.0)).deadline is None


def test_in_the_end_the_defaults_hold():
    assert NO_SETTINGS.over(DEFAULTS) is DEFAULTS
    assert (DEFAULTS.timeout, DEFAULTS.retries, DEFAULTS.minimum, DEFAULTS.strict) == (120, 2, 1, False)
