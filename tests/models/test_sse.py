"""The parser of server-sent events."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moakit.errors import BadResponse
from moakit.models.sse import LIMIT, EventParser
from tests.models.streams import by_the_book

PIECES = [
    b"data: ", b"data:", b"data", b"event: x", b"id: 1\x00", b": ping", b"retry: 3",
    b"\n", b"\r", b"\r\n", b"\n\n",
    b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xff", b"\x00", b"[DONE]", b"{}", b" ", "\u2028\u0085é".encode(),
]  # fmt: skip
STREAMS = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


def parse(*pieces: bytes) -> list[bytes]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    ends = sorted(min(place, len(data)) for place in at)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@given(STREAMS, st.lists(st.integers(0, 80), max_size=8))
def test_a_stream_has_the_same_events_however_it_is_cut(data, at):
    assert parse(*cut(data, at)) == parse(data)


@given(STREAMS)
def test_a_stream_has_the_same_events_byte_by_byte(data):
    assert parse(*(data[at : at + 1] for at in range(len(data)))) == parse(data)


@settings(max_examples=300)
@given(STREAMS)
def test_any_bytes_are_read_as_the_specification_says(data):
    assert parse(data) == by_the_book(data)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_no_bytes_break_it(data, at):
    assert parse(*cut(data, at)) == parse(data)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_lines_may_end_in_any_way(end):
    assert parse(b"data: a", end, end, b"data: b", end, end) == [b"a", b"b"]


def test_a_crlf_cut_in_two_is_one_line_end():
    assert parse(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [b"a\nb"]


def test_several_data_lines_are_one_event():
    assert parse(b"data: a\ndata: b\ndata:\n\n") == [b"a\nb\n"]


def test_only_one_space_after_the_colon_is_dropped():
    assert parse(b"data:a\n\ndata:  b \n\n") == [b"a", b" b "]


def test_comments_and_other_fields_are_no_events():
    assert parse(b": ping\n\nevent: x\nid: 7\n\nretry: 1\n: more\ndata: a\n\n") == [b"a"]


def test_a_field_that_only_begins_like_data_is_another_one():
    assert parse(b"database: a\n\n data: b\n\n") == []


def test_a_byte_order_mark_is_skipped_once():
    assert parse(b"\xef\xbb", b"\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n") == [b"a"]


def test_unicode_line_separators_are_text():
    text = "a\u2028b\u2029c\u0085d\u000be\u000cf".encode()
    assert parse(b"data: " + text + b"\n\n") == [text]


def test_nul_and_invalid_utf8_are_passed_on():
    assert parse(b"data: a\x00\xff\xfe\n\n") == [b"a\x00\xff\xfe"]


@pytest.mark.parametrize("rest", [b"data: a", b"data: a\n", b"data: a\r\n", b"data: a\r"])
def test_a_last_event_needs_no_blank_line(rest):
    assert parse(b"data: x\n\n" + rest) == [b"x", b"a"]


def test_an_event_over_the_limit_is_refused_for_good():
    with pytest.raises(BadResponse, match="larger than 100 bytes") as caught:
        EventParser(limit=100).feed(b"data: " + b"x" * 200)
    assert caught.value.should_retry is False


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_an_event_over_the_limit_is_refused_however_it_is_cut(size):
    data = b"data: a\n\ndata: " + b"x" * 150 + b"\n\n"
    parser = EventParser(limit=100)
    with pytest.raises(BadResponse):
        _ = [parser.feed(data[at : at + size]) for at in range(0, len(data), size)]


def test_many_events_at_once_may_be_larger_than_the_limit():
    assert EventParser(limit=100).feed(b"data: a\n\n" * 50) == [b"a"] * 50


def test_no_more_than_the_limit_is_kept_of_a_line_without_end():
    parser, piece = EventParser(), b"x" * 65536
    for _ in range(LIMIT // len(piece)):
        parser.feed(piece)
    with pytest.raises(BadResponse):
        parser.feed(piece)


def test_a_long_event_in_many_pieces_costs_in_proportion_to_its_length():
    parser, piece = EventParser(), b"x" * 512
    started = time.process_time()
    for _ in range(16_384):
        parser.feed(piece)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(("letters", "good"), [(94, True), (95, False)])
@pytest.mark.parametrize("end", [b"\n\n", b"\n", b"\r\n\r\n", b""], ids=["whole", "line", "CRLF", "open"])
def test_an_event_of_exactly_the_limit_is_taken_however_it_is_cut(letters, good, end, size):
    # The line end at its end is no part of an event, even before it is known to end it.
    data = b"data: a\n\ndata: " + b"x" * letters + end
    parser = EventParser(limit=100)
    try:
        found = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
        assert good and found + parser.close() == [b"a", b"x" * letters]
    except BadResponse:
        assert not good


def test_an_event_of_many_lines_takes_little_more_memory_than_it_is_long():
    data = b"ab\n" * 300_000 + b"data: a\n\n"
    tracemalloc.start()
    try:
        assert parse(data) == [b"a"]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 6 * len(data)
