"""Calls of tools that a majority makes."""

import pytest

from moakit import Response
from moakit.policies.tool_votes import elected


def calling(*calls):
    return Response(
        text="",
        tool_calls=tuple(
            {"id": f"c{id(call)}", "function": {"name": call[0], "arguments": call[1]}} for call in calls
        ),
    )


ONE = ("look_up", '{"x": 1, "y": [2]}')
SAME = ("look_up", '{"y":[2],"x":1}')
OTHER = ("look_up", '{"x": 2, "y": [2]}')
SAID = Response(text="It is high")


@pytest.mark.parametrize(
    ("responses", "voters", "place", "votes"),
    [
        ([SAID, calling(ONE), calling(SAME)], 3, 1, 2),
        ([calling(OTHER), calling(ONE), calling(SAME)], 3, 1, 2),
        ([calling(ONE), calling(SAME)], 4, None, 2),
        ([calling(ONE), calling(OTHER), SAID], 3, None, 1),
        ([calling(ONE)], 1, 0, 1),
        ([SAID, SAID], 2, None, 0),
        ([], 2, None, 0),
        ([calling(ONE, OTHER), calling(OTHER, SAME)], 2, 0, 2),
        ([calling(ONE, OTHER), calling(ONE)], 2, None, 1),
        ([calling(ONE, ONE), calling(ONE)], 2, None, 1),
        ([calling(("go", "")), calling(("go", "{}"))], 2, 0, 2),
        ([calling(("go", "{")), calling(("go", "{"))], 2, 0, 2),
        ([calling(("go", "1")), calling(("go", "true"))], 2, None, 1),
    ],
)
def test_calls_are_elected_by_more_than_half(responses, voters, place, votes):
    winner, counted = elected(responses, voters)
    assert winner is (None if place is None else responses[place])
    assert counted == votes


def test_a_call_of_any_form_is_counted():
    odd = Response(
        text="", tool_calls=({"function": None}, {"function": {"name": "a", "arguments": {"x": 1}}})
    )
    assert elected([odd, odd], 2) == (odd, 2)
