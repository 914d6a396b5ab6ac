"""The view of a run in a notebook cell, from the events of real and of made-up runs."""

import sys
from types import SimpleNamespace

import pytest

import moakit
from moakit.events import CallFailed, CallStarted, Delta, Judged, RunFailed
from moakit.observe import notebook
from moakit.observe.notebook import NotebookView, watch


class Cell:
    """A cell's output: what was shown in it, one picture after the other."""

    def __init__(self):
        self.pictures = []
        self.module = SimpleNamespace(display=self.display, Markdown=str)

    def display(self, picture, *, display_id):
        assert display_id
        self.pictures.append(picture)
        return SimpleNamespace(update=self.pictures.append)


@pytest.fixture
def cell(monkeypatch):
    found = Cell()
    monkeypatch.setitem(sys.modules, "IPython.display", found.module)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: found))
    return found


def view_of(*events):
    view = NotebookView()
    for kind, path, fields in events:
        view.take(kind(run_id="run_1", path=path, at=1.0, **fields))
    return view.markdown()


def test_a_run_is_shown_as_it_happens(cell):
    ensemble = moakit.MoA(["demo/planner", "demo/broken"], "demo/editor")
    answer = watch(ensemble, "Why?")
    assert answer.degraded and len(answer.calls) == 3
    assert cell.pictures[0] == "…"
    assert any("proposer | waiting |" in picture for picture in cell.pictures)
    assert any("| → | 0.0 | demo/planner | proposer | about" in picture for picture in cell.pictures)
    growing = [len(picture.split("\n\n", 1)[1]) for picture in cell.pictures if "| answers |" in picture]
    assert len(growing) > 3 and growing == sorted(growing)
    last = cell.pictures[-1]
    assert "| ✗ | 0.1 | demo/broken | proposer | HTTP 500: demo/broken always fails |" in last
    assert "| ✓ | 1.0 | demo/editor | aggregator |" in last
    assert answer.text in last and r"without demo/broken \(failed\)*" in last


def test_parameters_are_the_final_layers(cell):
    answer = watch(moakit.Agent("demo/planner"), "Why?", max_tokens=5)
    assert answer.response.finish_reason == "length"


def test_a_failure_is_shown_and_raised(cell):
    with pytest.raises(moakit.BadResponse, match="always fails"):
        watch(moakit.Agent("demo/broken"), "Why?")
    assert cell.pictures[-1].endswith("*HTTP 500: demo/broken always fails*")


def test_an_interrupted_cell_says_so_and_leaves_no_call(cell, monkeypatch):
    monkeypatch.setattr(notebook, "REFRESH", 0.0)
    taken = []

    def interrupt(view, event):
        taken.append(event)
        if isinstance(event, Delta):
            raise KeyboardInterrupt
        take(view, event)

    take = NotebookView.take
    monkeypatch.setattr(NotebookView, "take", interrupt)
    with pytest.raises(KeyboardInterrupt):
        watch(moakit.Agent("demo/planner"), "Why?")
    assert "| · | " in cell.pictures[-1] and cell.pictures[-1].endswith("*stopped*")
    assert isinstance(taken[-1], Delta)


@pytest.mark.parametrize("ipython", [None, SimpleNamespace(get_ipython=lambda: None)])
def test_outside_a_notebook_it_says_so(ipython, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    with pytest.raises(moakit.UserError, match="this is none"):
        watch(moakit.Agent("demo/planner"), "Why?")


def test_what_others_write_is_no_markup():
    error = moakit.BadResponse("<img src=x> | *bold* [link](http://x)\n\n# head")
    shown = view_of(
        (CallStarted, "0", {"model": "a|b", "role": "agent"}),
        (CallFailed, "0", {"error": error, "final": True}),
    )
    (line,) = shown.split("\n")[2:]
    assert line == r"| ✗ | 0 | a\|b | agent | &lt;img src=x&gt; \| \*bold\* \[link\]\(http://x\) \# head |"


def test_a_long_error_is_cut():
    shown = view_of((RunFailed, "", {"error": moakit.MoaError("x" * 500)}))
    assert shown == f"---\n\n*{'x' * 99}…*"


def test_a_verdict_that_could_not_be_used_has_a_row():
    shown = view_of((Judged, "1", {"error": "no JSON"}), (Judged, "2", {"verdict": [1]}))
    assert shown.split("\n")[2:] == ["| ✗ | 1 | verdict | judge | no JSON |"]
