"""The providers: their table, their addresses, their keys."""

import pytest

from moakit.errors import ConfigError, UnknownModel
from moakit.models.demo import DemoModel
from moakit.models.openai import OpenAIModel
from moakit.models.providers import PROVIDERS, Endpoint, checked_url, find_endpoint, ollama_url, split_name
from moakit.models.resolve import find_model

TABLE = """
openai      https://api.openai.com/v1                                OPENAI_API_KEY
groq        https://api.groq.com/openai/v1                           GROQ_API_KEY
together    https://api.together.ai/v1                               TOGETHER_API_KEY
openrouter  https://openrouter.ai/api/v1                             OPENROUTER_API_KEY
ollama      http://localhost:11434/v1                                OLLAMA_API_KEY
gemini      https://generativelanguage.googleapis.com/v1beta/openai  GEMINI_API_KEY
anthropic   https://api.anthropic.com/v1                             ANTHROPIC_API_KEY
mistral     https://api.mistral.ai/v1                                MISTRAL_API_KEY
deepseek    https://api.deepseek.com                                 DEEPSEEK_API_KEY
fireworks   https://api.fireworks.ai/inference/v1                    FIREWORKS_API_KEY
cerebras    https://api.cerebras.ai/v1                               CEREBRAS_API_KEY
sambanova   https://api.sambanova.ai/v1                              SAMBANOVA_API_KEY
xai         https://api.x.ai/v1                                      XAI_API_KEY
moonshot    https://api.moonshot.ai/v1                               MOONSHOT_API_KEY
zai         https://api.z.ai/api/paas/v4                             ZAI_API_KEY
dashscope   https://dashscope-intl.aliyuncs.com/compatible-mode/v1   DASHSCOPE_API_KEY
nebius      https://api.studio.nebius.com/v1                         NEBIUS_API_KEY
github      https://models.github.ai/inference                       GITHUB_TOKEN
vercel      https://ai-gateway.vercel.sh/v1                          AI_GATEWAY_API_KEY
vllm        http://localhost:8000/v1                                 -
lmstudio    http://localhost:1234/v1                                 -
llamacpp    http://127.0.0.1:8080/v1                                 -
litellm     http://localhost:4000/v1                                 LITELLM_API_KEY
"""
ROWS = [tuple(line.split()) for line in TABLE.strip().splitlines()]
KEY = "made-up-key"


@pytest.mark.parametrize(("name", "base_url", "variable"), ROWS, ids=[row[0] for row in ROWS])
def test_every_provider_of_the_table_is_there(name, base_url, variable):
    endpoint = find_endpoint(name, {})
    assert (endpoint.name, endpoint.base_url, endpoint.key_variable or "-") == (name, base_url, variable)
    assert endpoint.local is (name in ("ollama", "vllm", "lmstudio", "llamacpp"))


def test_no_provider_is_missing_from_the_table():
    assert sorted(PROVIDERS) == sorted(row[0] for row in ROWS)


def test_the_key_of_a_built_in_provider_is_its_variable():
    assert find_endpoint("github", {"GITHUB_TOKEN": KEY}).key({}) == KEY


def test_a_provider_of_any_name_is_found_by_its_address():
    environ = {"MY_LAB_2_BASE_URL": "http://10.0.0.1:8080/v1/", "MY_LAB_2_API_KEY": KEY}
    endpoint = find_endpoint("my-lab.2", environ)
    assert (endpoint.name, endpoint.base_url, endpoint.key({})) == (
        "my-lab.2",
        "http://10.0.0.1:8080/v1",
        KEY,
    )


def test_such_a_provider_needs_no_key():
    assert find_endpoint("lab", {"LAB_BASE_URL": "http://10.0.0.1/v1"}).key({}) is None


def test_the_address_of_a_built_in_provider_can_be_another():
    endpoint = find_endpoint("openai", {"OPENAI_BASE_URL": "https://proxy/v1", "OPENAI_API_KEY": KEY})
    assert (endpoint.base_url, endpoint.key({}), endpoint.quirks) == (
        "https://proxy/v1",
        KEY,
        PROVIDERS["openai"].quirks,
    )


@pytest.mark.parametrize(
    ("environ", "base_url", "local"),
    [
        ({"OLLAMA_HOST": "10.0.0.1"}, "http://10.0.0.1:11434/v1", True),
        ({"OLLAMA_HOST": ""}, "http://localhost:11434/v1", True),
        ({"OLLAMA_BASE_URL": "http://a:1/v1", "OLLAMA_HOST": "b"}, "http://a:1/v1", True),
        ({"OLLAMA_BASE_URL": "https://ollama.com/v1"}, "https://ollama.com/v1", False),
    ],
)
def test_where_ollama_is(environ, base_url, local):
    endpoint = find_endpoint("ollama", environ)
    assert (endpoint.base_url, endpoint.local) == (base_url, local)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
        (":8000", "http://127.0.0.1:8000/v1"),
        ("box:8000", "http://box:8000/v1"),
        ("box:", "http://box:11434/v1"),
        ("box", "http://box:11434/v1"),
        ("[::]", "http://127.0.0.1:11434/v1"),
        ("[::]:8000", "http://127.0.0.1:8000/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("::1", "http://[::1]:11434/v1"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
        ("http://box:8000/", "http://box:8000/v1"),
        ("http://box:8000/v1", "http://box:8000/v1"),
        ("https://box", "https://box/v1"),
        ("https://box/ollama/", "https://box/ollama/v1"),
        ("box:8000/ollama", "http://box:8000/ollama/v1"),
        (' "box" ', "http://box:11434/v1"),
    ],
)
def test_every_form_of_ollama_host(host, url):
    assert ollama_url(host) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a.b/c/v1",
        "http://[::1]:8080/v1",
        "HTTP://A:1/v1",
        "http://a_b.c:1",
        "http://bücher.de/v1",
        "http://u:p%40@a/v1",
        "http://[fe80::1%25eth0]:1/v1",
    ],
)
def test_an_address_may_end_in_a_slash(url):
    assert checked_url("lab", f" {url}/ ") == url


@pytest.mark.parametrize(
    "url",
    ["", "lab", "lab:8080/v1", "ftp://a/v1", "http://", "http:///v1", "http://a b/v1", "http://a:99999/v1", "http://[a/v1",
     "http://a..b/v1", "http://.a", "http://a\ufffd/v1", "http://a\x00/v1", "http://a\\b/v1", "http://a<b/v1",
     f"http://{'a' * 64}/v1", "http://a/v\x001"],
)  # fmt: skip
def test_what_is_no_address_is_a_config_error(url):
    with pytest.raises(ConfigError, match="provider 'lab': base_url"):
        checked_url("lab", url)


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [("grok", (), "groq"), ("opena", (), "openai"), ("lba", ("lab",), "lab"), ("dmo", (), "demo")],
)
def test_an_unknown_provider_comes_with_the_nearest_name(name, known, near):
    with pytest.raises(UnknownModel, match=f"did you mean '{near}'") as caught:
        find_endpoint(name, {}, known)
    assert caught.value.name == name


def test_a_provider_like_no_other_comes_with_what_to_do():
    with pytest.raises(UnknownModel, match=r"set QQQQ_BASE_URL, or describe it in moa.toml"):
        find_endpoint("qqqq", {})


@pytest.mark.parametrize("show", [repr, str, lambda endpoint: str(list(endpoint.__rich_repr__()))])
def test_a_key_is_never_shown(show):
    place = Endpoint(name="lab", base_url="https://user:hunter2@lab/v1", api_key=KEY, headers={"x-key": KEY})
    assert KEY not in show(place) and "hunter2" not in show(place)
    assert KEY not in repr(OpenAIModel(place, "m"))


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_key_is_none(empty):
    assert find_endpoint("groq", {"GROQ_API_KEY": empty}).key({"GROQ_API_KEY": empty}) is None


def test_blanks_around_a_key_are_no_part_of_it():
    assert Endpoint(name="lab", base_url="http://a", api_key=f" {KEY}\r\n").key({}) == KEY


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("groq/llama", ("groq", "llama")),
        ("together/Qwen/Qwen2.5-7B", ("together", "Qwen/Qwen2.5-7B")),
        ("ollama/gemma3:4b", ("ollama", "gemma3:4b")),
    ],
)
def test_a_name_is_split_at_its_first_slash(model, parts):
    assert split_name(model) == parts


@pytest.mark.parametrize("model", ["gpt-4o", "/m", "groq/", "", "/"])
def test_a_name_without_both_parts_is_unknown(model):
    with pytest.raises(UnknownModel, match="a model is written provider/model"):
        split_name(model)


def test_a_model_is_found_on_the_given_endpoints_first():
    mine = Endpoint(name="groq", base_url="http://127.0.0.1/v1")
    assert find_model("groq/a/b", {"groq": mine}, {}) == OpenAIModel(mine, "a/b")


def test_a_demo_model_is_found():
    assert isinstance(find_model("demo/planner", {}, {}), DemoModel)


def test_a_model_on_a_given_provider_misspelt_comes_with_its_name():
    with pytest.raises(UnknownModel, match="did you mean 'research'"):
        find_model("reserch/m", {"research": Endpoint(name="research", base_url="http://a")}, {})


def test_models_are_equal_by_name_and_place():
    place = Endpoint(name="lab", base_url="http://a")
    assert OpenAIModel(place, "m") == OpenAIModel(place, "m") != OpenAIModel(place, "n")
    assert len({OpenAIModel(place, "m"), OpenAIModel(place, "m")}) == 1
