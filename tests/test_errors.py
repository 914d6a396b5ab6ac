"""The tree of errors."""

import copy
import pickle
import re
import time

import pytest

from moakit import errors
from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    BudgetExceeded,
    CallError,
    ConfigError,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    MissingExtra,
    MoaError,
    ModelTimeout,
    NotEnoughResponses,
    RateLimited,
    SchemaMismatch,
    ShapeError,
    UnknownModel,
    UserError,
    nearest,
)

ONE_OF_EACH = [
    MoaError("what", hint="do"),
    UserError("what"),
    ConfigError("what", hint="do"),
    MissingExtra("prices", "server"),
    ShapeError("what"),
    UnknownModel("provider", "grok", ["groq"]),
    InvalidRequest("what", param="messages"),
    CallError("what", model="lab/m"),
    RateLimited("what", model="lab/m", status=429, retry_after=2.5, should_retry=True, code="x"),
    AuthenticationFailed("what", hint="do"),
    ContextTooLong("what"),
    ContentFiltered("what"),
    ModelTimeout("what", timer="idle", model="lab/m", hint="do"),
    ConnectionFailed("what", reused=True),
    BadResponse("what", status=500),
    SchemaMismatch("what", code="schema_mismatch"),
    NotEnoughResponses("what", [BadResponse("one"), ValueError("two")], hint="do"),
    BudgetExceeded("what"),
    DeadlineExceeded("what", path="0.2"),
]


def tree() -> dict[str, str]:
    """Return every class drawn at the top of the module, with its parent."""
    parents, found = {}, {}
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.match(r"^((?:[│ ]   |├── |└── )*)(\w+)", line)
        if drawn and drawn[2] != "Everything":
            depth = len(drawn[1]) // 4
            parents[depth] = drawn[2]
            found[drawn[2]] = parents.get(depth - 1, "Exception")
    return found


def test_the_tree_is_drawn_as_it_is():
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, MoaError)
    }
    assert {name: value.__bases__[0].__name__ for name, value in classes.items()} == tree()


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_every_error_crosses_process_boundaries(error):
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error) and str(twin) == str(error)
        facts = {name: value for name, value in vars(error).items() if name != "exceptions"}
        assert {name: vars(twin)[name] for name in facts} == facts


def test_each_class_is_shown_here():
    assert {type(error).__name__ for error in ONE_OF_EACH} == set(tree())


def test_a_message_comes_with_its_hint():
    assert str(ConfigError("layers = 0", hint="give at least 1")) == "layers = 0 (give at least 1)"
    assert ConfigError("layers = 0", hint="give at least 1").message == "layers = 0"


def test_a_failed_call_names_its_model():
    assert str(RateLimited("slow down", model="lab/m", hint="wait")) == "lab/m: slow down (wait)"


def test_a_missing_extra_says_how_to_install_it():
    assert str(MissingExtra("prices", "server")) == (
        "prices needs the extra 'server', which is not installed "
        '(in a checkout of moakit: pip install ".[server]")'
    )


def test_an_unknown_name_comes_with_the_nearest_one():
    assert str(UnknownModel("provider", "grok", ["openai", "groq"])) == (
        "unknown provider 'grok' (did you mean 'groq'?)"
    )


def test_an_unknown_name_like_no_other_comes_with_what_to_do():
    assert UnknownModel("provider", "zzz", ["openai"], hint="set ZZZ_BASE_URL").hint == "set ZZZ_BASE_URL"


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [("grok", ["openai", "groq"], "groq"), ("zzz", ["openai"], None), ("groq", [], None), ("", ["a"], None)],
)
def test_the_nearest_name(name, known, near):
    assert nearest(name, known) == near


def test_not_enough_responses_tells_every_cause():
    error = NotEnoughResponses(
        "1 of 3", [RateLimited("slow", model="lab/a"), BadResponse("cut", model="lab/b")]
    )
    assert str(error) == "1 of 3: lab/a: slow; lab/b: cut"


def test_not_enough_responses_is_a_group_whose_causes_can_be_picked():
    caught = []
    try:
        raise NotEnoughResponses("1 of 3", [RateLimited("slow"), BadResponse("cut")], hint="do")
    except* RateLimited as group:
        caught.append(group)
    except* BadResponse as group:
        caught.append(group)
    assert [[type(one) for one in group.exceptions] for group in caught] == [[RateLimited], [BadResponse]]
    assert all(type(group) is NotEnoughResponses and group.hint == "do" for group in caught)


def test_not_enough_responses_needs_a_cause():
    with pytest.raises(ValueError, match="non-empty"):
        NotEnoughResponses("0 of 1", [])


def test_a_name_of_megabytes_is_no_misspelt_one():
    began = time.process_time()
    assert nearest("groq" * 5_000_000, ["groq", "together"]) is None
    assert time.process_time() - began < 1
