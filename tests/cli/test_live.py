"""On a terminal: the proposers at work, then the answer as it streams."""

import os
import re
import select
import signal
import subprocess
import time

import pytest

from tests.processes import MOA, surroundings

pty = pytest.importorskip("pty")
PROMPT = "› "  # noqa: RUF001  as it is shown
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    """A process on a terminal of its own, and everything it has shown."""

    def __init__(self, home, *arguments, **environ):
        self.master, slave = pty.openpty()
        self.shown = ""
        env = surroundings(home, TERM="xterm-256color", COLUMNS="100", LINES="30", **environ)
        self.process = subprocess.Popen(
            [*MOA, *arguments],
            cwd=home,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    @property
    def plain(self):
        return CODES.sub("", self.shown)

    def until(self, text, times=1, within=10):
        """Read until this was shown so often."""
        end = time.monotonic() + within
        while self.plain.count(text) < times:
            assert self._read(end - time.monotonic()), f"{text!r} was not shown: {self.plain!r}"

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, within=10):
        """Read to the end and return the exit code."""
        end = time.monotonic() + within
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(5)

    def _read(self, patience):
        ready, _, _ = select.select([self.master], [], [], max(0, patience))
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # how Linux tells that the other side was closed
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_proposers_are_shown_at_work_and_the_answer_streams(up, home):
    up.behaves |= {"one": "tokens:4+pace:0.1", "two": "status:401", "lead": "tokens:8+pace:0.2"}
    with Terminal(home, "ask", "why") as terminal:
        terminal.until("lab/one")
        terminal.until("writing, about")
        terminal.until("w1 w2")
        assert up.of("lead")[0].status == "open"  # which means that it is still writing
        terminal.until("w7 w8")
        assert terminal.end() == 0
        shown = terminal.plain
    assert "Layer 1" in shown and "Layer 2" in shown
    assert "✓ lab/one" in shown and "✗ lab/two" in shown and "HTTP 401" in shown
    assert "w1 w2 w3 w4 w5 w6 w7 w8" in shown
    assert re.search(r"\d s · \d+ tokens · \$0 · 3 calls · without lab/two \(failed\)", shown)
    assert "lab-key" not in shown
    assert "\x1b[" in terminal.shown and terminal.shown.count("\x1b[?25l") == terminal.shown.count(
        "\x1b[?25h"
    )


def test_without_color_there_is_none(up, home):
    up.behaves |= {"one": "sleep:0.2", "two": "status:500"}
    with Terminal(home, "ask", "why", NO_COLOR="1") as terminal:
        assert terminal.end() == 0
    assert not re.search(r"\x1b\[(\d+;)*[349]\d(;\d+)*m", terminal.shown)


def test_an_interrupt_leaves_the_terminal_as_it_was(up, home):
    up.behaves |= {"one": "hang", "two": "hang"}
    with Terminal(home, "ask", "why") as terminal:
        terminal.until("lab/two")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.plain
    assert terminal.shown.rstrip().rfind("\x1b[?25h") > terminal.shown.rfind("\x1b[?25l")


def test_an_error_follows_what_was_shown(up, home):
    up.behaves |= {"one": "status:500", "two": "status:500"}
    with Terminal(home, "ask", "why") as terminal:
        assert terminal.end() == 1
    assert terminal.plain.index("✗ lab/one") < terminal.plain.index("error: no proposer answered")


def test_a_conversation_is_typed(up, home):
    up.behaves |= {"lead": "say:the_answer"}
    with Terminal(home, "chat") as terminal:
        for turn, text in enumerate(("first", "second"), 1):
            terminal.until(PROMPT, turn)
            terminal.type(f"{text}\n")
            terminal.until("3 calls", turn)
        terminal.until(PROMPT, 3)
        terminal.type("\x04")
        assert terminal.end() == 0
    assert [message["content"] for message in up.of("one")[1].messages] == ["first", "the answer", "second"]


def test_an_interrupt_stops_one_answer_and_not_the_conversation(up, home):
    up.behaves["lead"] = "tokens:100+pace:0.1"
    with Terminal(home, "chat") as terminal:
        terminal.until(PROMPT)
        terminal.type("first\n")
        terminal.until("w1 w2")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("stopped")
        terminal.until(PROMPT, 2)
        up.behaves["lead"] = "say:the_answer"
        terminal.type("second\n")
        terminal.until("the answer")
        terminal.until(PROMPT, 3)
        terminal.type("/exit\n")
        assert terminal.end() == 0
    assert [message["content"] for message in up.of("one")[-1].messages] == ["second"]


def test_what_was_found_is_told_on_a_terminal(tmp_path):
    with Terminal(tmp_path, "models") as terminal:
        assert terminal.end() == 0
    assert "these are the demo models" in terminal.plain and "moa-demo\t" in terminal.plain
