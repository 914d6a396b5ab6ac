"""`moa chat`: a conversation that is remembered, also from a pipe."""

from tests.processes import moa


def asked(up):
    """What the proposer was sent in each turn: roles and texts."""
    return [[(message["role"], message["content"]) for message in call.messages] for call in up.of("one")]


def test_a_conversation_from_a_pipe_is_remembered(up, home):
    up.behaves["lead"] = "say:the_answer"
    done = moa("chat", home=home, stdin="first\n\nsecond\n")
    assert (done.returncode, done.stdout) == (0, "the answer\nthe answer\n")
    assert asked(up) == [
        [("user", "first")],
        [("user", "first"), ("assistant", "the answer"), ("user", "second")],
    ]
    assert "panel" in done.stderr and "/new begins a new conversation" in done.stderr


def test_commands_begin_a_new_one_help_and_end(up, home):
    done = moa("chat", "-s", "Be brief", home=home, stdin="first\n/new\nsecond\n/what\n/exit\nthird\n")
    assert done.returncode == 0
    system = ("system", "Be brief")
    assert asked(up) == [[system, ("user", "first")], [system, ("user", "second")]]
    assert "a new conversation" in done.stderr and done.stderr.count("/exit or Ctrl-D ends") == 2


def test_after_a_failure_the_conversation_goes_on_as_if_nothing_had_been_asked(up, home):
    up.behaves |= {"one": "status:500+times:1", "two": "status:500+times:1", "lead": "say:yes"}
    done = moa("chat", home=home, stdin="first\nsecond\n")
    assert (done.returncode, done.stdout) == (0, "yes\n")
    assert "error: no proposer answered (layer 1)" in done.stderr
    assert asked(up)[1] == [("user", "second")]


def test_it_takes_the_same_options_as_ask(up, home):
    done = moa("chat", "-p", "lab/x", "-a", "lab/y", "-t", "0.5", home=home, stdin="hi\n")
    assert done.returncode == 0 and [call.model for call in up.calls] == ["x", "y"]
    assert up.of("y")[0].body["temperature"] == 0.5


def test_what_it_took_and_went_without_is_told_on_standard_error(up, home):
    up.behaves["one"] = "status:401"
    done = moa("chat", home=home, stdin="hi\n")
    assert (
        "lab/one" in done.stderr and "HTTP 401" in done.stderr and "without lab/one (failed)" in done.stderr
    )
    assert "$0" in done.stderr and "3 calls" in done.stderr


def test_bytes_that_are_not_text_are_replaced(up, home):
    assert moa("chat", home=home, stdin=b"caf\xe9\n").returncode == 0
    assert asked(up) == [[("user", "caf\ufffd")]]
