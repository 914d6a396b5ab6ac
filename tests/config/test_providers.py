"""`[providers]`: where calls go, with which key and headers, what they cost and how many at once."""

import asyncio

import pytest

import moakit
from moakit.models import prices
from moakit.models.providers import PROVIDERS, Price
from moakit.models.windows import window_of
from moakit.types import Usage
from tests.config.making import config
from tests.upstream import Upstream


@pytest.fixture
async def up():
    async with Upstream() as upstream:
        yield upstream
        await upstream.idle()
        await moakit.aclose()


async def answer(made, name="x"):
    return await made[name].run("why")


async def test_an_endpoint_of_ones_own_is_called_with_its_key_and_headers(up):
    made = config(
        """
        [providers.lab]
        base_url = "${LAB_URL}/"
        api_key = "${SOME_KEY}"
        headers = { X-Team = "blue", X-Trace = "${TRACE}" }
        [ensembles.x]
        model = "lab/org/gemma"
        """,
        LAB_URL=up.base_url, SOME_KEY="k-1", TRACE="t-7",
    )  # fmt: skip
    await answer(made)
    (call,) = up.calls
    assert (call.path, call.model, call.key) == ("/v1/chat/completions", "org/gemma", "k-1")
    assert (call.headers["x-team"], call.headers["x-trace"]) == ("blue", "t-7")


async def test_the_key_is_by_default_that_of_the_environment(up):
    toml = '[providers.my-lab]\nbase_url = "${LAB_URL}"\n[ensembles.x]\nmodel = "my-lab/a"\n'
    await answer(config(toml, LAB_URL=up.base_url, MY_LAB_API_KEY="from-the-environment"))
    await answer(config(toml, LAB_URL=up.base_url))
    assert [call.key for call in up.calls] == ["from-the-environment", ""]


async def test_a_built_in_provider_needs_only_its_key(up):
    made = config('[ensembles.x]\nmodel = "groq/llama"\n', GROQ_BASE_URL=up.base_url, GROQ_API_KEY="gsk_1")
    await answer(made)
    assert [(call.model, call.key) for call in up.calls] == [("llama", "gsk_1")]


async def test_a_missing_key_is_an_error_at_the_first_call_that_names_the_variable():
    made = config('[ensembles.x]\nmodel = "groq/llama"\n')
    with pytest.raises(moakit.AuthenticationFailed, match="groq") as caught:
        await answer(made)
    assert caught.value.hint == "set GROQ_API_KEY in the environment or in .env"


async def test_a_provider_of_the_environment_alone_is_known_too(up):
    made = config('[ensembles.x]\nmodel = "lab/a"\n', LAB_BASE_URL=up.base_url, LAB_API_KEY="k")
    await answer(made)
    assert up.calls[0].key == "k"


async def test_two_tables_are_two_providers_each_with_its_key_alone(up):
    made = config(
        """
        [providers.a]
        base_url = "${URL}"
        api_key = "${KEY_A}"
        [providers.b]
        base_url = "${URL}"
        api_key = "${KEY_B}"
        [ensembles.x]
        proposers = ["a/one", "b/two"]
        aggregator = "a/lead"
        """,
        URL=up.base_url, KEY_A="key-a", KEY_B="key-b",
    )  # fmt: skip
    await answer(made)
    assert {call.model: call.key for call in up.calls} == {"one": "key-a", "two": "key-b", "lead": "key-a"}


async def test_a_provider_like_another_shares_its_quirks_and_prices(up):
    made = config(
        """
        [providers.proxy]
        base_url = "${URL}"
        like = "openai"
        [ensembles.x]
        model = "proxy/gpt-4o-mini"
        max_tokens = 5
        """,
        URL=up.base_url,
    )
    response = (await answer(made)).response
    assert up.calls[0].body["max_completion_tokens"] == 5 and "max_tokens" not in up.calls[0].body
    assert made.endpoints["proxy"].quirks == PROVIDERS["openai"].quirks
    assert response.cost is not None and response.cost > 0


LAB = '[providers.lab]\nbase_url = "http://127.0.0.1:1/v1"\nprice = '
CONTEXT = '[providers.lab]\nbase_url = "http://127.0.0.1:1/v1"\ncontext_length = '
USAGE = Usage(1_000_000, 1_000_000, 2_000_000, cached_tokens=500_000)


@pytest.mark.parametrize(
    ("price", "dollars"),
    [
        ("2", 4),
        ("0", 0),
        ("0.5", 1),
        ("{ input = 1, output = 3 }", 4),
        ("{ input = 1, output = 3, cached = 0 }", 3.5),
        ("{ gemma = 1, llama = 9 }", 2),
        ('{ gemma = { input = 2, output = 0 }, "org/llama" = 1 }', 2),
        ("{ llama = 1 }", None),
    ],
)
def test_a_price_is_a_number_a_table_or_one_of_them_for_each_model(price, dollars):
    endpoint = config(LAB + price).endpoints["lab"]
    assert prices.cost(endpoint, "gemma", USAGE) == (None if dollars is None else pytest.approx(dollars))


def test_a_price_for_a_built_in_provider_replaces_the_list():
    endpoint = config("[providers.groq]\nprice = { input = 1, output = 2 }").endpoints["groq"]
    assert endpoint.price == Price(1, 2, None)
    assert endpoint.base_url == PROVIDERS["groq"].base_url


def test_limits_and_times_are_the_providers():
    made = config("""
        [providers.groq]
        requests_per_minute = 30
        tokens_per_minute = 6000
        concurrency = 4
        timeout = 20
        connect = 2.5
    """).endpoints["groq"]
    assert (made.requests_per_minute, made.tokens_per_minute, made.concurrency) == (30, 6000, 4)
    assert (made.timeout, made.connect) == (20, 2.5)


async def test_calls_at_once_are_limited_over_all_ensembles(up):
    made = config(
        """
        [providers.lab]
        base_url = "${URL}"
        concurrency = 2
        [ensembles.x]
        proposers = ["lab/a+sleep:0.03", "lab/b+sleep:0.03", "lab/c+sleep:0.03"]
        aggregator = "lab/lead"
        [ensembles.y]
        model = "lab/d+sleep:0.03"
        """,
        URL=up.base_url,
    )
    await asyncio.gather(answer(made), answer(made), answer(made, "y"), answer(made, "y"))
    assert up.peak == 2 and len(up.calls) == 10


def test_a_literal_key_is_accepted_with_a_warning(folder, caplog):
    (folder / "moa.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "sk-literal-1"\n'
        '[providers.ok]\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "${HOME}"\n'
    )
    made = moakit.load()
    assert made.notes == ["providers.lab.api_key is written in the file; ${VARIABLE} keeps it out"]
    assert "providers.lab.api_key is written in the file" in caplog.text
    assert "sk-literal-1" not in caplog.text + repr(made) + repr(made.endpoints)
    assert made.endpoints["lab"].key() == "sk-literal-1"


@pytest.mark.parametrize(
    ("length", "window"),
    [("8192", 8192), ("{ gemma = 4096 }", 4096), ('{ "org/llama" = 4096 }', None)],
)
def test_a_context_length_is_a_number_or_one_for_each_model(length, window):
    endpoint = config(CONTEXT + length).endpoints["lab"]
    assert window_of(endpoint, "lab/gemma") == window


@pytest.mark.parametrize(("length", "where"), [("0", ""), ('"large"', ""), ("{ gemma = 1.5 }", r"\[...\]")])
def test_a_context_length_that_is_none_names_its_place(length, where):
    with pytest.raises(moakit.ConfigError, match=rf"providers\.lab\.context_length{where}"):
        config(CONTEXT + length)


@pytest.mark.parametrize("length", [0, 1.5, True, "8192", {"m": -1}])
def test_a_provider_in_python_takes_no_other_context_length_either(length):
    with pytest.raises(moakit.ConfigError, match="provider 'lab': context_length = "):
        moakit.Provider("lab", base_url="http://127.0.0.1:1/v1", context_length=length)
