"""References read from files: the paper's lists, lines, and answers that were saved."""

import json

import msgspec
import pytest

import moakit
from moakit import InvalidRequest, MoA, references_from

LISTED = [
    {"instruction": "Why?", "output": "Because.", "generator": "m/one", "dataset": "x"},
    {"instruction": "How? ", "output": "Like this.", "generator": "m/one"},
]


@pytest.fixture
def written(tmp_path):
    def write(text, name="references.json"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        return path

    return write


def texts(references):
    return [reference.text for reference in references]


def test_the_papers_lists_give_those_of_the_prompt(written):
    other = [{**item, "generator": "m/two", "output": item["output"].upper()} for item in LISTED]
    paths = [written(LISTED, "one.json"), str(written(other, "two.json"))]
    found = references_from(*paths, prompt="How?")
    assert texts(found) == ["Like this.", "LIKE THIS."]
    assert [reference.model for reference in found] == ["m/one", "m/two"]
    messages = [
        {"role": "system", "content": "How?"},
        {"role": "user", "content": " Why?"},
        {"role": "assistant", "content": "How?"},
    ]
    assert texts(references_from(paths[0], prompt=messages)) == ["Because."]


def test_of_several_instructions_the_prompt_has_to_say_which(written):
    with pytest.raises(InvalidRequest, match="belong to 2 instructions") as caught:
        references_from(written(LISTED))
    assert "prompt" in caught.value.hint
    assert texts(references_from(written(LISTED[:1]))) == ["Because."]
    with pytest.raises(InvalidRequest, match="none of the 2 references belongs to this prompt"):
        references_from(written(LISTED), prompt="When?")


def test_what_names_no_instruction_belongs_to_every_prompt(written):
    path = written(["one", {"output": "two"}, *LISTED])
    assert texts(references_from(path, prompt="Why?")) == ["one", "two", "Because."]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_may_hold_a_value_a_line(written, end):
    lines = [json.dumps("one\u2028more", ensure_ascii=False), "", json.dumps({"output": "two"}), ""]
    assert texts(references_from(written(end.join(lines)))) == ["one\u2028more", "two"]
    assert texts(references_from(written('\ufeff{"output": "alone"}'))) == ["alone"]


def test_an_answer_as_json_gives_its_references(written):
    answer = MoA(["demo/planner", "demo/skeptic"], "demo/editor")("Why?")
    found = references_from(written(msgspec.json.encode(answer).decode()))
    assert found == answer.references


def test_lists_and_files_may_be_mixed(written):
    response = moakit.Response(text="three")
    assert texts(references_from(written(["one"]), ["two", response])) == ["one", "two", "three"]
    assert references_from([]) == references_from(written("")) == references_from() == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('"one"\nnot json', "line 2 is not JSON"),
        ("[1]", r"references\[0\] is not a reference"),
        ('["a", {"output": ""}]', r"references\[1\] is empty"),
        ('{"text": "a", "usage": 5}', "is not a response"),
        ("[" * 100_000, "not JSON|nests too deep"),
    ],
)
def test_what_a_file_has_wrong_is_told_with_its_name(written, text, what):
    path = written(text)
    with pytest.raises(InvalidRequest, match=what) as caught:
        references_from(path)
    assert str(path) in caught.value.message


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(InvalidRequest, match=r"missing\.json: No such file"):
        references_from(tmp_path / "missing.json")
    (tmp_path / "latin.json").write_bytes(b'["\xe9"]')
    with pytest.raises(InvalidRequest, match="is not a text in UTF-8"):
        references_from(tmp_path / "latin.json")


@pytest.mark.parametrize("source", [5, {"output": "x"}, moakit.Response(text="x"), None])
def test_what_is_neither_a_path_nor_a_list_is_refused(source):
    with pytest.raises(InvalidRequest, match="references_from was given a"):
        references_from(source)
