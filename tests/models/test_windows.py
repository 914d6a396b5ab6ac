"""How large a model's window is: configured, listed, learned from a refusal, or unknown."""

import pytest

from moakit.errors import ContextTooLong
from moakit.models import windows
from moakit.models.openai import OpenAIModel
from moakit.models.providers import PROVIDERS, Endpoint
from moakit.models.windows import confirm, density_of, forget, learn, may_be_known, window_of


@pytest.fixture(autouse=True)
def _nothing_learned():
    forget()
    yield
    forget()


def model(name="m", **settings):
    given = {"name": "lab", "base_url": "http://127.0.0.1/v1", **settings}
    return OpenAIModel(Endpoint(**given), name)


def window(one, **how):
    return window_of(one.endpoint, one.name, **how)


def refusal(window=None, needed=None, answer=None):
    return ContextTooLong("too long", model="lab/m", window=window, needed=needed, answer=answer)


def test_of_most_models_nothing_is_known():
    assert window(model()) is None and not may_be_known(model()) and density_of(model()) == 1
    assert window_of(None, "mine/own") is None


def test_a_configured_window_is_for_every_model_or_by_name():
    assert window(model(context_length=8192)) == 8192
    by_name = {"m": 4096, "org/large": 32768}
    assert window(model("org/large", context_length=by_name)) == 32768
    assert window(model("other", context_length=by_name)) is None
    assert may_be_known(model(context_length=8192))


def test_a_listed_window_is_known_and_a_configured_one_comes_first():
    openai = PROVIDERS["openai"]
    assert window_of(openai, "openai/gpt-4o-mini") == 128_000
    assert window_of(openai, "openai/gpt-4o-mini", listed=False) is None
    ours = model("gpt-4o-mini", context_length={"gpt-4o-mini": 9000}, quirks=openai.quirks)
    assert window(ours) == 9000 and may_be_known(ours)


def test_what_a_refusal_says_is_remembered_for_that_model_at_that_address():
    learn(model(), refusal(window=8192, needed=9000), estimated=8800, asked=None)
    assert window(model()) == 8192 and may_be_known(model())
    assert window(model("other")) is None
    assert window(model(base_url="http://127.0.0.2/v1")) is None


def test_a_refusal_corrects_a_window_that_is_configured_too_large_but_widens_none():
    learn(model(), refusal(window=8192), estimated=9000, asked=None)
    assert window(model(context_length=16384)) == 8192
    assert window(model(context_length=4096)) == 4096


def test_a_refusal_without_numbers_teaches_nothing():
    learn(model(), refusal(), estimated=9000, asked=None)
    assert window(model()) is None


@pytest.mark.parametrize(
    ("needed", "answer", "asked", "density"),
    [
        (12_000, None, None, 1.5),
        (13_000, 1000, 1000, 1.5),
        (13_000, None, 1000, 1.5),
        (9000, None, 1000, 1.0),
        (4000, None, None, 1.0),
        (9_000_000, None, None, 1.0),
    ],
)
def test_how_dense_the_text_is_is_learned_from_the_count(needed, answer, asked, density):
    learn(model(), refusal(3000, needed, answer), estimated=8000, asked=asked)
    assert density_of(model()) == density


def test_a_window_larger_than_what_it_refused_is_a_misunderstanding():
    learn(model(), refusal(window=2_000_000), estimated=100, asked=50)
    assert window(model()) is None


def test_a_call_that_went_through_corrects_the_density():
    learn(model(), refusal(3000, 12_000), estimated=4000, asked=None)
    assert density_of(model()) == 3
    confirm(model(), estimated=1000, counted=1250)
    assert density_of(model()) == 1.25
    confirm(model(), estimated=1000, counted=0)
    confirm(model(), estimated=0, counted=10)
    assert density_of(model()) == 1.25


def test_a_call_that_went_through_teaches_nothing_of_a_model_without_refusals():
    confirm(model(), estimated=1000, counted=3000)
    assert density_of(model()) == 1


def test_no_more_models_are_remembered_than_fit(monkeypatch):
    monkeypatch.setattr(windows, "REMEMBERED", 3)
    for number in range(5):
        learn(model(f"m{number}"), refusal(window=8192), estimated=9000, asked=None)
    assert [window(model(f"m{number}")) for number in range(5)] == [None, None, 8192, 8192, 8192]
