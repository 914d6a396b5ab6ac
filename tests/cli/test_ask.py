"""`moa ask`: one question, one answer; data to standard output, everything else to standard error."""

import json
import signal
import subprocess
import time

import pytest

from tests.processes import MOA, moa, surroundings


def said(up, model):
    """The text of the last user message that a model was sent."""
    return up.of(model)[-1].messages[-1]["content"]


def test_the_answers_text_alone_goes_into_a_pipe(up, home):
    up.behaves["lead"] = "say:the_answer"
    done = moa("ask", "why", home=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the answer\n", "")
    assert sorted(call.model for call in up.calls) == ["lead", "one", "two"]


def test_standard_input_is_added_to_the_prompt(up, home):
    moa("ask", "Summarise this:", home=home, stdin="a long text\n")
    assert said(up, "one") == "Summarise this:\n\na long text"
    moa("ask", home=home, stdin="only this")
    assert said(up, "one") == "only this"


def test_without_any_prompt_it_says_how(up, home):
    done = moa("ask", home=home, stdin="  \n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'error: there is no prompt\nhint: moa ask "Why is the sky dark at night?"\n'
    assert up.calls == []


def test_an_ensemble_is_chosen_by_name(up, home):
    assert moa("ask", "-e", "solo", "why", home=home).returncode == 0
    assert [call.model for call in up.calls] == ["lead"]
    done = moa("ask", "-e", "panle", "why", home=home)
    assert done.returncode == 2
    assert done.stderr == "error: unknown ensemble 'panle'\nhint: did you mean 'panel'?\n"


def test_one_is_made_of_proposers_an_aggregator_and_a_depth(up, home):
    done = moa("ask", "-p", "lab/x", "-p", "lab/y", "-a", "lab/z", "--layers", "3", "why", home=home)
    assert done.returncode == 0 and done.stdout.startswith("z #1: why")
    assert sorted(call.model for call in up.calls) == ["x", "x", "y", "y", "z"]


def test_the_first_proposer_aggregates_when_nobody_else_is_named(up, home):
    moa("ask", "-p", "lab/x", "-p", "lab/y", "why", home=home)
    assert [call.model for call in up.calls][-1] == "x" and len(up.calls) == 3


def test_the_depth_and_the_deadline_of_an_ensemble_can_be_changed(up, home):
    moa("ask", "--layers", "3", "why", home=home)
    assert len(up.calls) == 5
    up.behaves["lead"] = "hang"
    for name in ("panel", "deep", "solo"):
        done = moa("ask", "-e", name, "--deadline", "0.5", "why", home=home)
        assert done.returncode == 1 and "deadline of 0.5 s" in done.stderr
    done = moa("ask", "-e", "deep", "--layers", "3", "why", home=home)
    assert done.returncode == 2 and "error: the ensemble is not of the short form" in done.stderr


def test_an_unknown_model_is_told_as_it_was_typed(up, home):
    for option in ("-p", "-a"):
        done = moa("ask", option, "grok/llama", "why", home=home)
        assert done.returncode == 2
        assert done.stderr == "error: unknown provider 'grok'\nhint: did you mean 'groq'?\n"


def test_a_system_prompt_and_sampling_go_where_they_belong(up, home):
    moa("ask", "-s", "Be brief", "-t", "0.3", "--max-tokens", "9", "why", home=home)
    assert up.of("one")[0].messages[0] == {"role": "system", "content": "Be brief"}
    lead = up.of("lead")[0].body
    assert (lead["temperature"], lead["max_tokens"]) == (0.3, 9)
    assert "temperature" not in up.of("one")[0].body


def test_json_is_the_answer_with_its_own_field_names(up, home):
    up.behaves |= {"one": "status:500", "lead": "say:a_\u00e9\U0001f511"}
    done = moa("ask", "--json", "why", home=home)
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert answer["text"] == "a \u00e9\U0001f511" and answer["degraded"] is True
    assert answer.keys() == {
        "text", "response", "references", "layers", "usage", "cost", "calls", "failures", "degraded",
        "duration", "run_id", "citations", "false_citations", "agreement", "dissent",
    }  # fmt: skip
    assert [call["model"] for call in answer["failures"]] == ["lab/one"]
    assert [reference["model"] for reference in answer["references"]] == ["lab/two"]


def test_what_it_went_without_is_told_on_standard_error(up, home):
    up.behaves |= {"one": "status:500", "lead": "say:yes"}
    done = moa("ask", "why", home=home)
    assert (done.returncode, done.stdout) == (0, "yes\n")
    assert done.stderr.startswith("warning: without lab/one: ") and done.stderr.count("\n") == 1


def test_a_failed_run_is_exit_code_1_with_every_cause(up, home):
    up.behaves |= {"one": "status:401", "two": "status:500"}
    for option in ("--deadline=9", "--json"):
        done = moa("ask", option, "why", home=home)
        assert (done.returncode, done.stdout) == (1, "")
        first, *causes = done.stderr.splitlines()
        assert first.startswith("error: no proposer answered (layer 1)")
        assert "lab/one" in causes[0] and "lab/two" in causes[1]
        assert causes[-1].startswith("hint: check ") and "lab-key" not in done.stderr


def test_an_error_of_one_model_is_one_line_and_a_hint(up, home):
    up.behaves["lead"] = "status:404"
    done = moa("ask", "-e", "solo", "why", home=home)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: lab/lead: HTTP 404") and hint.startswith("hint: ")


def test_wrong_usage_is_exit_code_2(up, home):
    for arguments in (
        ["ask", "--nothing", "why"],
        ["ask", "why", "--layers", "1"],
        ["ask", "why", "--layers", "many"],
        ["ask", "why", "--deadline", "0"],
        ["ask", "why", "--deadline", "-3"],
        ["ask", "why", "--deadline", "nan"],
        ["ask", "why", "--max-tokens", "0"],
        ["ask", "why", "--temperature", "3"],
        ["ask", "-e", "solo", "-a", "lab/x", "why"],
        ["ask", "-p", "nowhere/x", "why"],
        ["ask", "-p", "x", "why"],
        ["ask", "--config", "gone.toml", "why"],
        ["nothing"],
    ):
        done = moa(*arguments, home=home)
        assert (done.returncode, done.stdout) == (2, ""), (arguments, done.stderr)
        assert "rror: " in done.stderr
    assert up.calls == []


def test_the_reader_of_a_pipe_may_leave_early(up, home):
    up.behaves["lead"] = "tokens:50000"
    process = subprocess.Popen(
        [*MOA, "ask", "why"], cwd=home, env=surroundings(home), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout.read(2) == "w1"
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_an_interrupt_is_exit_code_130_and_ends_every_call(up, home, option):
    up.behaves |= {"one": "hang", "two": "hang"}
    process = subprocess.Popen(
        [*MOA, "ask", "why", *option], cwd=home, env=surroundings(home), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        end = time.monotonic() + 10
        while len(up.open) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert "Traceback" not in process.stderr.read()
        assert process.stdout.read() == ""


def test_no_color_and_no_terminal_mean_no_escape_codes(up, home):
    up.behaves |= {"one": "status:500", "two": "status:500"}
    for environ in ({}, {"NO_COLOR": "1"}):
        done = moa("ask", "why", home=home, **environ)
        assert "\x1b" not in done.stdout + done.stderr


def test_bytes_that_are_not_text_are_replaced(up, home):
    assert moa("ask", "why", home=home, stdin=b"caf\xe9 \xff").returncode == 0
    assert said(up, "one") == "why\n\ncaf\ufffd \ufffd"
    done = subprocess.run(
        [*MOA, "ask", b"caf\xe9"],
        cwd=home,
        env=surroundings(home),
        capture_output=True,
        input=b"",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said(up, "one") == "caf\ufffd"


def test_what_the_output_does_not_know_is_replaced(up, home):
    up.behaves["lead"] = "say:caf\u00e9_\U0001f511"
    done = moa("ask", "why", home=home, PYTHONIOENCODING="iso-8859-5")
    assert (done.returncode, done.stdout) == (0, "caf? ?\n")


def test_references_from_files_are_read_instead_of_asking_proposers(up, home):
    (home / "one.json").write_text(json.dumps([
        {"instruction": "why", "output": "because", "generator": "m/x"},
        {"instruction": "how", "output": "like this"},
    ]))  # fmt: skip
    (home / "two.jsonl").write_text('"as it is"\n')
    files = ("--references", "one.json", "--references", "two.jsonl")
    done = moa("ask", *files, "--json", "why", home=home)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [reference["text"] for reference in answer["references"]] == ["because", "as it is"]
    assert [call.model for call in up.calls] == ["lead"]
    done = moa("ask", *files, "-a", "lab/z", "why", home=home)
    assert done.stdout.startswith("z #1: why") and [call.model for call in up.calls] == ["lead", "z"]
    assert "because" in said(up, "z") and "like this" not in said(up, "z")


def test_an_answer_printed_as_json_is_written_again_by_another_aggregator(up, home):
    (home / "run.json").write_text(moa("ask", "--json", "why", home=home).stdout)
    up.reset()
    done = moa("ask", "--references", "run.json", "-a", "lab/z", "why", home=home)
    assert done.returncode == 0 and [call.model for call in up.calls] == ["z"]
    assert "one #1: why" in said(up, "z")


def test_references_that_cannot_be_used_are_told_before_anything_is_asked(up, home):
    (home / "bad.json").write_text("[5]")
    done = moa("ask", "--references", "bad.json", "why", home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: bad.json: references[0] is not a reference\nhint: ")
    done = moa("ask", "--references", "nowhere.json", "why", home=home)
    assert done.returncode == 2 and "nowhere.json: No such file" in done.stderr
    assert up.calls == []


def test_json_tells_how_much_the_references_agree(up, home):
    (home / "three.json").write_text('["it is four", "seven", "it is four"]')
    answer = json.loads(moa("ask", "--references", "three.json", "--json", "why", home=home).stdout)
    assert 0 < answer["agreement"] < 1 and answer["dissent"] == 1
    alone = json.loads(moa("ask", "-e", "solo", "--json", "why", home=home).stdout)
    assert alone["agreement"] is alone["dissent"] is None
