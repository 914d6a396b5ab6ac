"""Whether values fit JSON schemas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.policies.json_schema import fault, read_json

CITY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 9},
        "high": {"type": ["integer", "null"], "minimum": 0},
        "kind": {"enum": ["town", "city", 1]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "near": {"$ref": "#/$defs/near"},
    },
    "required": ["name", "high"],
    "additionalProperties": False,
    "$defs": {"near": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}},
}
GOOD = {"name": "Bern", "high": 540, "kind": "city", "tags": ["a"], "near": {"name": "Thun", "high": None}}


def test_what_fits():
    assert fault(GOOD, CITY) is None
    assert fault({"name": "Bern", "high": 540.0}, CITY) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "$ is [], not object"),
        ({"name": "Bern"}, "$.high is missing"),
        ({**GOOD, "high": "540"}, '$.high is "540", not integer or null'),
        ({**GOOD, "high": True}, "$.high is true, not integer or null"),
        ({**GOOD, "high": 1.5}, "$.high is 1.5, not integer or null"),
        ({**GOOD, "high": -1}, "$.high is less than 0"),
        ({**GOOD, "name": "B" * 10}, "$.name is longer than 9 characters"),
        ({**GOOD, "kind": True}, '$.kind is true, not one of ["town", "city", 1]'),
        ({**GOOD, "tags": []}, "$.tags is fewer than 1 items"),
        ({**GOOD, "tags": ["a", 1]}, "$.tags[1] is 1, not string"),
        ({**GOOD, "size": 1}, "$.size is not allowed"),
        (
            {**GOOD, "near": {"name": "Thun"}},
            '$.near is none of what is allowed: $.near is {"name": "Thun"}, not null; $.near.high is missing',
        ),
    ],
)
def test_what_does_not_fit_is_told_by_its_place(value, why):
    assert fault(value, CITY) == why


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"const": 1}, 1, True),
        ({"const": 1}, True, False),
        ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, 3, True),
        ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, 5.5, True),
        ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, 5, False),
        ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, 2.5, False),
        ({"allOf": [{"type": "integer"}, {"minimum": 5}]}, 4, False),
        (False, 1, False),
        ({"pattern": "(a+)+$"}, "a" * 100 + "b", True),
        ({"additionalProperties": {"type": "null"}}, {"a": 1}, False),
    ],
)
def test_keywords(schema, value, fits):
    assert (fault(value, schema) is None) is fits


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}] * 50},
        {"$ref": "#/nowhere"},
        {"$ref": "http://127.0.0.1/schema"},
        {"type": 5, "required": {}, "properties": [], "items": 3, "enum": "a", "anyOf": {}, "minimum": "a"},
        {"type": "thing", "minLength": True, "required": [5], "$ref": 5},
    ],
)
def test_a_schema_that_goes_in_circles_or_is_none_refuses_nothing(schema):
    for value in ({"a": [1]}, [1], "a", 5, None):
        assert fault(value, schema) is None


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "$ref", "items", "anyOf", "enum", "properties", "a", "required", "maximum"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANY, ANY)
def test_no_schema_and_no_value_breaks_it(value, schema):
    found = fault(value, schema)
    assert found is None or found.startswith("$")


@pytest.mark.parametrize("text", ['{"a": 1}', ' {"a": 1}\n', '```json\n{"a": 1}\n```'])
def test_json_is_read_with_or_without_a_fence(text):
    assert read_json(text) == {"a": 1}


@pytest.mark.parametrize("text", ["", "Here: {}", '{"a": NaN}', "[" * 100_000, '{"a": 1', "```json\n```"])
def test_what_is_not_json(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says of it
        read_json(text)
