"""Reading a `.env` file."""

import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moakit.config import dotenv

LINES = [
    ("A=1", "1"),
    ("A = 1 ", "1"),
    ("  A=1", "1"),
    ("export A=1", "1"),
    ("A=", ""),
    ("A=''", ""),
    ('A=""', ""),
    ("A='a b'", "a b"),
    ('A="a b"', "a b"),
    ("A=a b", "a b"),
    ("A=a=b=c", "a=b=c"),
    ("A=a#b", "a#b"),
    ("A=a # a comment", "a"),
    ("A='a' # a comment", "a"),
    ('A="a # b" # a comment', "a # b"),
    ("A=# a comment", "# a comment"),
    (r"A='a\nb'", r"a\nb"),
    (r'A="a\nb\t\"c\" \\n"', 'a\nb\t"c" \\n'),
    (r'A="C:\dir"', r"C:\dir"),
    ("A='${B}'", "${B}"),
    ("A=${B}", "bee"),
    ('A="${B}-${B}"', "bee-bee"),
    ("A=x${B}y", "xbeey"),
    (r'A="\${B}"', "${B}"),
    ("A=${NOT_THERE}", ""),
    ("A=$B", "$B"),
    ("A=\u00e9\u2028", "\u00e9\u2028"),
]


@pytest.mark.parametrize(("line", "value"), LINES, ids=[line for line, _ in LINES])
def test_a_line(line, value):
    assert dotenv.parse(f"B=bee\n{line}\n", {})["A"] == value


@pytest.mark.parametrize(
    "line", ["# A=1", "  # A=1", "A", "=1", "1A=2", "", "   ", "A-B=1", "export", "A: 1"]
)
def test_a_line_that_is_none_is_passed_over(line):
    assert dotenv.parse(f"{line}\nB=2\n", {}) == {"B": "2"}


def test_the_environment_comes_before_the_file_inside_references():
    assert dotenv.parse("B=file\nA=${B}\n", {"B": "process"})["A"] == "process"


def test_a_value_that_is_filled_in_is_not_read_again():
    text = "B='a\\nb ${C}'\nC=no\n" + 'A="<${B}>"\n'
    assert dotenv.parse(text, {})["A"] == r"<a\nb ${C}>"


def test_a_reference_sees_only_what_stands_above_it():
    assert dotenv.parse("A=${B}\nB=later\n", {})["A"] == ""


def test_the_last_of_two_lines_counts():
    assert dotenv.parse("A=1\nA=2\n", {}) == {"A": "2"}


def test_windows_line_ends_and_a_byte_order_mark_are_passed_over(tmp_path):
    (tmp_path / ".env").write_bytes("\ufeffA=1\r\nB='2'\r\n".encode())
    assert dotenv.read(tmp_path / ".env", {}) == {"A": "1", "B": "2"}


def test_a_file_that_is_not_there_has_no_variables(tmp_path):
    assert dotenv.read(tmp_path / ".env", {}) == {}
    assert dotenv.read(tmp_path, {}) == {}


def test_the_articles_file_is_read_as_it_is_printed():
    text = textwrap.dedent("""\
        GROQ_API_BASE_1="https://api.groq.com/openai/v1"
        GROQ_API_KEY_1="gsk_1"
        GROQ_MODEL_AGGREGATE='llama3-70b-8192'
        GROQ_MODEL_AGGREGATE_API_BASE=${GROQ_API_BASE_1}
        GROQ_MODEL_AGGREGATE_API_KEY=${GROQ_API_KEY_1}
    """)
    found = dotenv.parse(text, {})
    assert found["GROQ_MODEL_AGGREGATE_API_BASE"] == "https://api.groq.com/openai/v1"
    assert found["GROQ_MODEL_AGGREGATE_API_KEY"] == "gsk_1"
    assert found["GROQ_MODEL_AGGREGATE"] == "llama3-70b-8192"


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ESCAPED = str.maketrans({"\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\", "$": "\\$"})


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_is_quoted_is_read_as_it_was(variables):
    text = "".join(f'{name}="{value.translate(ESCAPED)}" # a comment\n' for name, value in variables.items())
    assert dotenv.parse(text, {}) == variables


@given(st.text(alphabet="AB= #'\"\\${}\n\r\té\u2028\x00export", max_size=60))
def test_any_text_has_variables_or_none(text):
    for name, value in dotenv.parse(text, {"A": "a"}).items():
        assert re.search(rf"{name}\s*=", text)
        assert len(value) <= len(text)
