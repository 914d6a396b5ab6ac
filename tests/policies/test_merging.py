"""Values of the same form, merged field by field."""

import pytest

from moakit.policies.merging import merged

SHORT, LONG = "it is a high mountain", "it is a very high mountain in Asia"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 1], 1),
        ([True, True, 1], True),
        (["Everest", "K2", "Everest"], "Everest"),
        ([SHORT, LONG, SHORT], SHORT),
        ([SHORT, LONG], LONG),
        ([["a", "b"], ["b", "c"]], ["a", "b", "c"]),
        ([[{"x": 1}], [{"x": 1}, {"x": 2}]], [{"x": 1}, {"x": 2}]),
        ([{"a": 1, "b": 2}, {"a": 1}, {"a": 3, "b": 2}], {"a": 1, "b": 2}),
        ([{"a": 1, "odd": 2}, {"a": 1}], {"a": 1}),
        ([{"a": {"b": [1]}}, {"a": {"b": [2]}}], {"a": {"b": [1, 2]}}),
        ([None, None, 3], None),
    ],
)
def test_a_value_is_made_of_several(values, expected):
    assert repr(merged(values)) == repr(expected)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ([1, 2], "$"),
        (["K2", "Everest"], "$"),
        ([{"a": {"b": 1}}, {"a": {"b": 2}}], r"\$\.a\.b"),
        ([[1], 1], "$"),
    ],
)
def test_what_differs_without_a_majority_is_not_guessed(values, where):
    with pytest.raises(ValueError, match="no majority for " + (where if where != "$" else r"\$$")):
        merged(values)
